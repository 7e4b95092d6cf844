//! Which of many findings to call, so that false ones stay rare.
//!
//! Benjamini and Hochberg, *Journal of the Royal Statistical Society B* 57 (1995), controls the expected share of false
//! findings among those called where the tests are independent or positively dependent; Benjamini and Yekutieli,
//! *Annals of Statistics* 29 (2001), under any dependence, at the price of a factor of about ln m.

/// Which procedure makes the adjusted values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Procedure {
    /// Benjamini–Hochberg: independent or positively dependent tests.
    BenjaminiHochberg,
    /// Benjamini–Yekutieli: any dependence.
    BenjaminiYekutieli,
}

/// q-values: the smallest false discovery rate at which each finding would be called. In the order of `p_values`.
#[must_use]
pub fn q_values(p_values: &[f64], procedure: Procedure) -> Vec<f64> {
    let tests = p_values.len();
    let factor = match procedure {
        Procedure::BenjaminiHochberg => 1.0,
        Procedure::BenjaminiYekutieli => (1..=tests).map(|i| 1.0 / i as f64).sum(),
    };
    let mut order: Vec<(usize, f64)> = p_values.iter().copied().enumerate().collect();
    order.sort_by(|one, two| two.1.total_cmp(&one.1));
    let mut q_values = vec![1.0; tests];
    let mut least = 1.0_f64;
    for (above, (place, p_value)) in order.into_iter().enumerate() {
        least = least.min(p_value * factor * tests as f64 / (tests - above) as f64);
        if let Some(q_value) = q_values.get_mut(place) {
            *q_value = least;
        }
    }
    q_values
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn q_values_are_those_of_the_example_of_1995() {
        // Benjamini and Hochberg 1995, section 3.2: four of fifteen are called at 0.05.
        let p_values = [
            0.0001, 0.0004, 0.0019, 0.0095, 0.0201, 0.0278, 0.0298, 0.0344, 0.0459, 0.3240, 0.4262,
            0.5719, 0.6528, 0.7590, 1.0,
        ];
        let called = |procedure| {
            let q_values = q_values(&p_values, procedure);
            q_values.iter().filter(|q| **q <= 0.05).count()
        };
        assert_eq!(called(Procedure::BenjaminiHochberg), 4);
        assert_eq!(called(Procedure::BenjaminiYekutieli), 3);
    }

    #[test]
    fn q_values_keep_the_order_of_p_values_and_their_places() {
        let q = q_values(&[0.04, 0.01, 0.03, 0.5], Procedure::BenjaminiHochberg);
        let expected = [0.16 / 3.0, 0.04, 0.16 / 3.0, 0.5];
        for (found, expected) in q.iter().zip(expected) {
            assert!((found - expected).abs() < 1e-12, "{q:?}");
        }
        assert!(q_values(&[], Procedure::BenjaminiYekutieli).is_empty());
    }
}
