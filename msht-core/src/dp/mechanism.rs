//! What the sum of honest noise shares promises, stated as an OpenDP measurement.
//!
//! No node runs this mechanism: each adds only its own share, and the sum exists nowhere but at the coordinator.
//! [`PolyaAggregate`] describes the *aggregate* of h honest shares of shape r with h·r ≥ 1, so that OpenDP's
//! privacy maps, composition and accuracy can be applied to it and tests can compare our noise with theirs.
//!
//! Proof note. Write p = e^−a and X for the sum of h differences NB(r, p) − NB(r, p), which has shape S = h·r.
//! For S = 1, P(X = k) = (1−p)/(1+p)·p^|k|, so the ratio of probabilities at two points d apart is at most
//! e^(a·d): ε = a·d for one cell, and a·‖x − x′‖₁ for a vector with independent cells. For S > 1 the law is the
//! sum of a part of shape 1 and an independent part of shape S − 1, and adding the second is post-processing of
//! the first, so the same bound holds. For S < 1 it fails, and such an aggregate is refused.
//!
//! What the map does not describe: fewer honest shares than h (the protocol aborts below the fewest survivors
//! planned), noise given away by more than the colluders tolerated, generators that are not cryptographic, and
//! the time that sampling takes.

use std::fmt;
use std::sync::{Arc, Mutex};

use dashu::base::Signed;
use dashu::integer::IBig;
use dashu::rational::RBig;
use opendp::core::{Measurement, PrivacyMap};
use opendp::domains::{AtomDomain, VectorDomain};
use opendp::err;
use opendp::error::Fallible;
use opendp::measurements::{MakeNoise, NoisePrivacyMap, Sample};
use opendp::measures::MaxDivergence;
use opendp::metrics::L1Distance;
use opendp::traits::InfCast;
use rand::CryptoRng;

use super::calibration::TableNoise;
use super::sampler::{PolyaShare, SamplerError};
use crate::rational::Rational;

/// Vectors of whole numbers of any size: the cells of a round.
pub type CellDomain = VectorDomain<AtomDomain<IBig>>;

/// The aggregate as OpenDP sees it: from vectors under the L1 distance to pure differential privacy.
pub type AggregateMeasurement = Measurement<CellDomain, L1Distance<RBig>, MaxDivergence, Vec<IBig>>;

/// Why an aggregate is not a mechanism.
#[derive(Debug, thiserror::Error)]
pub enum MechanismError {
    /// The honest shares do not reach shape 1 together.
    #[error(
        "{honest} honest shares of shape {share} add up to less than 1, so their noise does not carry ε"
    )]
    TooLittleNoise {
        /// h.
        honest: u32,
        /// r.
        share: Rational,
    },
    /// A share cannot be sampled.
    #[error(transparent)]
    Share(#[from] SamplerError),
    /// OpenDP refused the mechanism.
    #[error("OpenDP refused the mechanism: {0:?}")]
    Refused(opendp::error::Error),
}

/// ε of a round: Σ a_T·Δ_T, exact.
#[must_use]
pub fn epsilon_of_round(tables: &[TableNoise]) -> Rational {
    tables
        .iter()
        .fold(Rational::zero(), |sum, table| sum.plus(&table.epsilon()))
}

/// The sum of h independent shares, with the generator they are drawn from.
///
/// Clones share the generator, so no two draws ever repeat.
pub struct PolyaAggregate<G> {
    share: PolyaShare,
    honest: u32,
    rng: Arc<Mutex<G>>,
}

impl<G> Clone for PolyaAggregate<G> {
    fn clone(&self) -> Self {
        Self {
            share: self.share.clone(),
            honest: self.honest,
            rng: Arc::clone(&self.rng),
        }
    }
}

impl<G> fmt::Debug for PolyaAggregate<G> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PolyaAggregate")
            .field("share", &self.share)
            .field("honest", &self.honest)
            .finish_non_exhaustive()
    }
}

impl<G: CryptoRng + Send + 'static> PolyaAggregate<G> {
    /// The aggregate of `honest` shares of shape `share` at a loss of `a` per unit.
    ///
    /// # Errors
    /// [`MechanismError::TooLittleNoise`] below shape 1, [`MechanismError::Share`] outside the samplers' ranges.
    pub fn new(
        a: &Rational,
        share: &Rational,
        honest: u32,
        rng: G,
    ) -> Result<Self, MechanismError> {
        if share.times(&Rational::from_integer(u64::from(honest))) < Rational::one() {
            return Err(MechanismError::TooLittleNoise {
                honest,
                share: share.clone(),
            });
        }
        Ok(Self {
            share: PolyaShare::new(a, share)?,
            honest,
            rng: Arc::new(Mutex::new(rng)),
        })
    }

    /// h·r, at least 1.
    #[must_use]
    pub fn shape(&self) -> Rational {
        self.share
            .r()
            .times(&Rational::from_integer(u64::from(self.honest)))
    }

    /// The OpenDP measurement that adds the aggregate to every cell.
    ///
    /// # Errors
    /// [`MechanismError::Refused`] if OpenDP refuses it.
    pub fn into_measurement(self) -> Result<AggregateMeasurement, MechanismError> {
        self.make_noise((CellDomain::default(), L1Distance::default()))
            .map_err(MechanismError::Refused)
    }
}

impl<G: CryptoRng + Send + 'static> Sample for PolyaAggregate<G> {
    fn sample(&self, shift: &IBig) -> Fallible<IBig> {
        let mut rng = self
            .rng
            .lock()
            .map_err(|_| err!(FailedFunction, "an earlier draw was interrupted"))?;
        Ok((0..self.honest).fold(shift.clone(), |sum, _| {
            sum + IBig::from(self.share.sample(&mut *rng))
        }))
    }
}

impl<G: CryptoRng + Send + 'static> NoisePrivacyMap<L1Distance<RBig>, MaxDivergence>
    for PolyaAggregate<G>
{
    /// d ↦ a·d, rounded up; the constructor made sure that the shape is at least 1.
    fn noise_privacy_map(
        &self,
        _: &L1Distance<RBig>,
        _: &MaxDivergence,
    ) -> Fallible<PrivacyMap<L1Distance<RBig>, MaxDivergence>> {
        let a = self.share.a().as_rbig().clone();
        Ok(PrivacyMap::new_fallible(move |distance: &RBig| {
            if distance.is_negative() {
                return Err(err!(FailedMap, "a distance is never negative"));
            }
            f64::inf_cast(distance * &a)
        }))
    }
}

#[cfg(test)]
mod tests {
    use opendp::measurements::make_laplace;
    use rand::SeedableRng;
    use rand::rngs::StdRng;

    use super::*;

    fn rational(text: &str) -> Rational {
        text.parse().unwrap()
    }

    fn aggregate(a: &str, share: &str, honest: u32) -> Result<PolyaAggregate<StdRng>, String> {
        let rng = StdRng::seed_from_u64(11);
        PolyaAggregate::new(&rational(a), &rational(share), honest, rng)
            .map_err(|error| error.to_string())
    }

    fn measurement(a: &str, share: &str, honest: u32) -> AggregateMeasurement {
        let aggregate = aggregate(a, share, honest).unwrap();
        aggregate.into_measurement().unwrap()
    }

    #[test]
    fn shapes_below_one_are_refused() {
        assert!(aggregate("1", "1/16", 16).is_ok());
        assert!(aggregate("1", "1/16", 15).is_err());
        assert!(aggregate("1", "0.99", 1).is_err());
        assert_eq!(
            aggregate("1", "1/15", 22).unwrap().shape(),
            rational("22/15")
        );
    }

    #[test]
    fn the_map_of_opendp_is_the_exact_loss_rounded_against_us() {
        let table = |name: &str, a: &str, sensitivity| TableNoise {
            name: name.to_owned(),
            a: rational(a),
            sensitivity,
        };
        let tables = [
            table("x", "1/3", 2),
            table("y", "0.1", 1),
            table("z", "1/7", 3),
        ];
        let mut total = RBig::ZERO;
        for table in &tables {
            let measurement = measurement(&table.a.to_string(), "1/5", 5);
            let loss = measurement.map(&RBig::from(table.sensitivity)).unwrap();
            let loss = RBig::try_from(loss).unwrap();
            assert!(loss >= *table.epsilon().as_rbig(), "{}", table.name);
            total += loss;
        }
        let exact = epsilon_of_round(&tables);
        assert_eq!(exact, rational("251/210"));
        assert!(total >= *exact.as_rbig());
        assert!(total < exact.as_rbig() + RBig::from_parts(1.into(), 1_000_000_000_u64.into()));
    }

    #[test]
    fn the_map_agrees_with_the_discrete_laplace_of_opendp() {
        let laplace: AggregateMeasurement = opendp::measurements::ZExpFamily::<1> {
            scale: RBig::from(4),
        }
        .make_noise((CellDomain::default(), L1Distance::default()))
        .unwrap();
        let ours = measurement("1/4", "1/3", 3);
        for distance in [0_u8, 1, 2, 3, 100] {
            let distance = RBig::from(distance);
            assert_eq!(ours.map(&distance), laplace.map(&distance));
        }
        // The public constructor for native integers gives the same loss.
        let native = make_laplace(
            VectorDomain::<AtomDomain<i64>>::default(),
            L1Distance::<i64>::default(),
            4.0,
            None,
        )
        .unwrap();
        assert_eq!(native.map(&3), ours.map(&RBig::from(3)));
        assert!(ours.map(&RBig::from(-1)).is_err());
    }

    #[test]
    fn the_function_adds_fresh_noise_to_every_cell() {
        let measurement = measurement("1/4", "1/3", 3);
        let cells = vec![IBig::from(1_000_000); 200];
        let (first, second) = (
            measurement.invoke(&cells).unwrap(),
            measurement.invoke(&cells).unwrap(),
        );
        assert_ne!(first, second);
        let near = |cell: &IBig| (IBig::from(999_900)..IBig::from(1_000_100)).contains(cell);
        assert!(first.iter().chain(&second).all(near));
    }
}
