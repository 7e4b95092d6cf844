//! Whether every pair of colours that carries meaning can be told apart.

/// The custom properties of one block of the style sheet.
fn colours(block: &str) -> std::collections::BTreeMap<String, [f64; 3]> {
    block
        .lines()
        .filter_map(|line| line.trim().strip_suffix(';')?.split_once(": #"))
        .filter(|(name, value)| name.starts_with("--") && value.len() == 6)
        .map(|(name, value)| {
            let channel = |at: usize| {
                let byte = u8::from_str_radix(&value[at..at + 2], 16).unwrap();
                let part = f64::from(byte) / 255.0;
                if part <= 0.04045 {
                    part / 12.92
                } else {
                    ((part + 0.055) / 1.055).powf(2.4)
                }
            };
            (name.to_owned(), [channel(0), channel(2), channel(4)])
        })
        .collect()
}

/// Relative luminance as WCAG 2.2 defines it.
fn luminance(c: [f64; 3]) -> f64 {
    0.2126 * c[0] + 0.7152 * c[1] + 0.0722 * c[2]
}

/// Contrast as WCAG 2.2 defines it.
fn contrast(a: [f64; 3], b: [f64; 3]) -> f64 {
    let (a, b) = (luminance(a), luminance(b));
    (a.max(b) + 0.05) / (a.min(b) + 0.05)
}

#[test]
fn text_and_graphics_have_enough_contrast_in_every_scheme() {
    let style = include_str!("../../assets/chart.css");
    let blocks: Vec<_> = style
        .split(":root {")
        .skip(1)
        .map(|rest| colours(rest.split('}').next().unwrap()))
        .collect();
    assert_eq!(blocks.len(), 3, "light, dark and print");
    for block in &blocks {
        let pairs = |texts: &[&str], grounds: &[&str], least: f64| {
            for text in texts {
                for ground in grounds {
                    let ratio = contrast(block[*text], block[*ground]);
                    assert!(ratio >= least, "{text} on {ground}: {ratio:.2}");
                }
            }
        };
        let grounds = ["--ground", "--panel", "--key"];
        pairs(&["--ink", "--quiet", "--link", "--accent"], &grounds, 4.5);
        pairs(&["--solid", "--mark", "--hatch"], &["--panel"], 3.0);
        pairs(&["--mark"], &["--band", "--b95", "--b80", "--b50"], 3.0);
        pairs(&["--flag"], &["--panel"], 4.5);
        for shade in ["v1", "v2", "v3", "v4", "w1", "w2"] {
            let (text, ground) = (format!("--on-{shade}"), format!("--{shade}"));
            pairs(&[&text], &[&ground], 4.5);
        }
        // Order by lightness alone survives every kind of colour blindness, and printing in grey.
        for order in [
            &["--v1", "--v2", "--v3", "--v4"][..],
            &["--w1", "--w2"],
            &["--b95", "--b80", "--b50"],
        ] {
            let light: Vec<f64> = order.iter().map(|name| luminance(block[*name])).collect();
            assert!(
                light.is_sorted() || light.iter().rev().is_sorted(),
                "{order:?}"
            );
            for pair in order.windows(2) {
                pairs(&[pair[0]], &[pair[1]], 1.25);
            }
        }
    }
    for block in &blocks[..2] {
        for ground in ["--ground", "--panel", "--key"] {
            assert!(contrast(block["--focus"], block[ground]) >= 3.0, "{ground}");
        }
    }
}
