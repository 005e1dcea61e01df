//! Compares two runs on the same cases: what `fastersam evaluate --json` printed for each.
//!
//! `cargo run --release -p fastersam-metrics --example compare -- A.json B.json`
#![allow(clippy::print_stdout)]

use fastersam_metrics::{CaseScores, MeasureComparison, compare_runs};

const RESAMPLES: usize = 10_000;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let files: Vec<String> = std::env::args().skip(1).collect();
    let [a, b] = &files[..] else { return Err("give two files".into()) };
    let read = |path: &str| -> Result<Vec<CaseScores>, Box<dyn std::error::Error>> {
        let mut result: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(path)?)?;
        Ok(serde_json::from_value(result["cases"].take())?)
    };
    let found = compare_runs(&read(a)?, &read(b)?, RESAMPLES, 1)?;
    for (protocol, of) in [("transunet", &found.transunet), ("strict", &found.strict)] {
        print(&format!("{protocol} Dice"), &of.dice);
        print(&format!("{protocol} HD95 (voxels)"), &of.hd95_vox);
    }
    Ok(())
}

fn print(what: &str, measure: &MeasureComparison) {
    let classes = measure.per_class.iter().enumerate().map(|(class, found)| (format!("class {}", class + 1), found));
    println!("{what}");
    for (name, found) in std::iter::once(("mean".to_owned(), &measure.mean)).chain(classes) {
        match found {
            Some(c) => println!(
                "  {name:<9} {:+.4}  95 % interval {:.4?}  p = {:.4}  {} cases",
                c.mean_difference, c.interval, c.p_value, c.n_cases
            ),
            None => println!("  {name:<9} no case is scored in both"),
        }
    }
}
