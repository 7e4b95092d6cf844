use super::*;
use crate::rational::Rational;

fn dimension(name: &str, size: usize, max_values: u32) -> ReleaseDimension {
    let codes: Vec<String> = (0..size).map(|code| format!("{name}-{code}")).collect();
    ReleaseDimension {
        name: name.to_owned(),
        title: name.to_owned(),
        labels: codes.clone(),
        categories: codes,
        max_values,
    }
}

struct Owned {
    name: &'static str,
    dimensions: Vec<ReleaseDimension>,
    raw: Vec<i64>,
    a: Rational,
    shape: Rational,
}

impl Owned {
    fn view(&self) -> NoisyTable<'_> {
        NoisyTable {
            period: "2026-Q1",
            survivors: &[],
            name: self.name,
            dimensions: &self.dimensions,
            raw: &self.raw,
            a: &self.a,
            shape: &self.shape,
            counts_records: true,
        }
    }
}

fn owned(name: &'static str, sizes: &[(&str, usize)], a: &str) -> Owned {
    let dimensions: Vec<_> = sizes
        .iter()
        .map(|(n, size)| dimension(n, *size, 1))
        .collect();
    let cells: usize = sizes.iter().map(|(_, size)| size).product();
    // Numbers without a pattern that least squares could hide behind.
    let raw = (0..cells).map(|cell| i64::try_from((cell * 37 + sizes.len() * 11) % 53).unwrap());
    Owned {
        name,
        dimensions,
        raw: raw.collect(),
        a: a.parse().unwrap(),
        shape: "11/4".parse().unwrap(),
    }
}

/// Tables over u (2), v (3) and w (2), in orders of axes that differ.
fn tables() -> Vec<Owned> {
    vec![
        owned("total", &[], "0.1"),
        owned("u", &[("u", 2)], "0.4"),
        owned("vu", &[("v", 3), ("u", 2)], "0.2"),
        owned("wv", &[("w", 2), ("v", 3)], "0.3"),
    ]
}

/// Row of the marginal map: which cells of u × v × w a table's cell sums.
fn design(table: &NoisyTable<'_>) -> Vec<Vec<f64>> {
    let place = |joint: usize, name: &str| match name {
        "u" => joint / 6,
        "v" => joint / 2 % 3,
        _ => joint % 2,
    };
    let in_cell = |joint: usize, cell: usize| {
        table.dimensions.iter().all(|d| {
            let axis = table.axis(&d.name).unwrap();
            axis.place(cell) == place(joint, &d.name)
        })
    };
    let row = |cell| {
        (0..12)
            .map(|joint| f64::from(u8::from(in_cell(joint, cell))))
            .collect()
    };
    (0..table.raw.len()).map(row).collect()
}

/// Solves A·X = B by elimination with pivoting.
fn solve(mut a: Vec<Vec<f64>>, mut b: Vec<Vec<f64>>) -> Vec<Vec<f64>> {
    let n = a.len();
    for column in 0..n {
        let pivot = (column..n)
            .max_by(|i, j| a[*i][column].abs().total_cmp(&a[*j][column].abs()))
            .unwrap();
        a.swap(column, pivot);
        b.swap(column, pivot);
        let (pivot_a, pivot_b) = (a[column].clone(), b[column].clone());
        for row in (0..n).filter(|row| *row != column) {
            let factor = a[row][column] / pivot_a[column];
            for (x, y) in a[row].iter_mut().zip(&pivot_a) {
                *x -= factor * y;
            }
            for (x, y) in b[row].iter_mut().zip(&pivot_b) {
                *x -= factor * y;
            }
        }
    }
    for (row, values) in b.iter_mut().enumerate() {
        values.iter_mut().for_each(|value| *value /= a[row][row]);
    }
    b
}

/// The hat matrix M(MᵀWM + tiny)⁻¹MᵀW of weighted least squares, and the stacked raw numbers and variances.
fn dense(views: &[NoisyTable<'_>]) -> (Vec<Vec<f64>>, Vec<f64>, Vec<f64>) {
    let rows: Vec<Vec<f64>> = views.iter().flat_map(design).collect();
    let variances: Vec<f64> = views
        .iter()
        .flat_map(|view| vec![view.law().unwrap().variance(); view.raw.len()])
        .collect();
    let mut normal = vec![vec![0.0; 12]; 12];
    for (row, variance) in rows.iter().zip(&variances) {
        for i in 0..12 {
            for j in 0..12 {
                normal[i][j] += row[i] * row[j] / variance;
            }
        }
    }
    // The joint counts are not all identified; what the tables say of their margins does not depend on this.
    (0..12).for_each(|i| normal[i][i] += 1e-9);
    let right = (0..12).map(|i| {
        rows.iter()
            .zip(&variances)
            .map(|(row, v)| row[i] / v)
            .collect()
    });
    let solved = solve(normal, right.collect());
    let hat = rows.iter().map(|row| {
        let entry = |column: usize| (0..12).map(|i| row[i] * solved[i][column]).sum();
        (0..rows.len()).map(entry).collect()
    });
    let raw = views
        .iter()
        .flat_map(|view| view.raw.iter().map(|raw| *raw as f64));
    (hat.collect(), raw.collect(), variances)
}

#[test]
fn derived_numbers_and_their_deviations_are_those_of_a_dense_least_squares_solution() {
    let tables = tables();
    let views: Vec<_> = tables.iter().map(Owned::view).collect();
    let found = consistent_tables(&views, 0.05).unwrap();
    assert!(found.left_raw.is_empty());
    let (hat, raw, variances) = dense(&views);
    let mut rows = hat.iter();
    for table in &found.tables {
        for value in &table.values {
            let row = rows.next().unwrap();
            let expected: f64 = row.iter().zip(&raw).map(|(w, y)| w * y).sum();
            assert!(
                (value - expected).abs() < 1e-5,
                "{}: {value} {expected}",
                table.name
            );
            let variance: f64 = row.iter().zip(&variances).map(|(w, v)| w * w * v).sum();
            let relative = table.deviation.powi(2) / variance - 1.0;
            assert!(relative.abs() < 1e-6, "{}: {relative}", table.name);
            assert!(table.deviation < table.raw_deviation);
        }
    }
    assert!(rows.next().is_none());
}

#[test]
fn derived_tables_agree_on_their_margins() {
    let tables = tables();
    let views: Vec<_> = tables.iter().map(Owned::view).collect();
    let found = consistent_tables(&views, 0.05).unwrap();
    let values = |name: &str| &found.tables.iter().find(|t| t.name == name).unwrap().values;
    let total = values("total")[0];
    for name in ["u", "vu", "wv"] {
        assert!(
            (values(name).iter().sum::<f64>() - total).abs() < 1e-9,
            "{name}"
        );
    }
    let of_u = |u: usize| values("vu").iter().skip(u).step_by(2).sum::<f64>();
    assert!((of_u(0) - values("u")[0]).abs() < 1e-9);
    let of_v = |v: usize| values("wv")[v] + values("wv")[3 + v];
    for v in 0..3 {
        let row = &values("vu")[2 * v..2 * v + 2];
        assert!((row.iter().sum::<f64>() - of_v(v)).abs() < 1e-9, "{v}");
    }
}

#[test]
fn tables_that_do_not_add_up_to_records_are_left_raw_and_say_why() {
    let mut tables = tables();
    tables[2].dimensions[0] = dimension("v", 3, 2);
    tables[3].dimensions[1] = dimension("v", 3, 1);
    tables[3].dimensions[1].categories[0] = "one.two".to_owned();
    let mut views: Vec<_> = tables.iter().map(Owned::view).collect();
    views[1].counts_records = false;
    let found = consistent_tables(&views, 0.05).unwrap();
    assert!(found.tables.is_empty());
    let why: BTreeMap<_, _> = found.left_raw.into_iter().collect();
    assert_eq!(why["u"], WhyRaw::Amounts);
    assert_eq!(why["vu"], WhyRaw::MultiValued("v".to_owned()));
    assert_eq!(why["wv"], WhyRaw::MultiValued("v".to_owned()));
    assert_eq!(why["total"], WhyRaw::NothingToCombine);
}

#[test]
fn a_dimension_whose_categories_differ_is_not_combined() {
    let mut tables = tables();
    tables[3].dimensions[1].categories[0] = "another".to_owned();
    let views: Vec<_> = tables.iter().map(Owned::view).collect();
    let found = consistent_tables(&views, 0.05).unwrap();
    assert_eq!(
        found.left_raw,
        [("wv".to_owned(), WhyRaw::OtherCategories("v".to_owned()))]
    );
    assert_eq!(found.tables.len(), 3);
}
