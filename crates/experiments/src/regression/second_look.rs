//! Times that are worse than they should be are measured again before anybody is told.

use anyhow::Result;
use burn::tensor::Device;
use fastersam_progress::say;
use fastersam_records::regression::{Baseline, Better, RegressionRecord, Value, Verdict, compare};

use super::speed;
use super::values::Values;
use crate::provenance::Origin;

/// How often they are measured again, at most.
const LOOKS: usize = 2;
/// Figures of the part that other work on the machine disturbs.
const PART: &str = "speed.";

/// Measures speed again while a figure of it is worse than the baseline allows, and keeps the better one of both: a slower
/// program stays slower, and a disturbance passes.
///
/// # Errors
/// Where a measurement fails or the user interrupts.
pub fn look_again(
    record: &mut RegressionRecord,
    baseline: &Baseline,
    device: &Device,
    origin: &Origin,
) -> Result<()> {
    for _ in 0..LOOKS {
        let worse = worse_times(record, baseline);
        if worse.is_empty() {
            break;
        }
        say(&format!("measured again: {}", worse.join(", ")));
        let again = speed::ratios(device, origin)?;
        keep_better(record, baseline, &worse, &again);
    }
    Ok(())
}

fn worse_times(record: &RegressionRecord, baseline: &Baseline) -> Vec<String> {
    let comparisons = compare(baseline, record).into_iter();
    let worse = comparisons.filter(|one| one.verdict == Verdict::Worse && one.name.starts_with(PART));
    worse.map(|comparison| comparison.name).collect()
}

fn keep_better(record: &mut RegressionRecord, baseline: &Baseline, names: &[String], again: &Values) {
    for name in names {
        let found = again.get(name.trim_start_matches(PART)).and_then(Value::number);
        let (Some(now), Some(metric)) = (found, baseline.metrics.get(name)) else { continue };
        let before = record.values.get(name).and_then(Value::number);
        let is_better = before.is_some_and(|before| match metric.better {
            Better::Higher => now > before,
            Better::Lower => now < before,
            Better::Same => false,
        });
        if is_better {
            record.values.insert(name.clone(), Value::Number(now));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use fastersam_records::regression::{Machine, MachineBaseline, Metric, Tolerance};

    use super::*;

    fn numbers(values: &[(&str, f64)]) -> BTreeMap<String, Value> {
        values.iter().map(|&(name, value)| (name.to_owned(), Value::Number(value))).collect()
    }

    #[test]
    fn a_disturbed_time_is_replaced_and_a_slower_program_stays_slower() {
        let machine = Machine { kind: "k".into(), cpu: "p".into(), threads: 2 };
        let metric = |better, percent| Metric {
            unit: String::new(),
            better,
            within: Tolerance::Percent(percent),
            across: None,
        };
        let baseline = Baseline {
            changes: Vec::new(),
            machines: BTreeMap::from([(
                "k".to_owned(),
                MachineBaseline {
                    cpu: "p".into(),
                    threads: 2,
                    values: numbers(&[
                        ("memory.a", 1.0),
                        ("speed.count", 5.0),
                        ("speed.a", 2.0),
                        ("speed.b", 2.0),
                    ]),
                },
            )]),
            metrics: BTreeMap::from([
                ("memory.a".to_owned(), metric(Better::Lower, 1.0)),
                ("speed.count".to_owned(), metric(Better::Lower, 0.0)),
                ("speed.a".to_owned(), metric(Better::Higher, 30.0)),
                ("speed.b".to_owned(), metric(Better::Higher, 30.0)),
            ]),
        };
        let mut record = RegressionRecord {
            commit: "c".into(),
            date: "d".into(),
            machine,
            values: numbers(&[("memory.a", 9.0), ("speed.count", 6.0), ("speed.a", 1.0), ("speed.b", 1.9)]),
            skipped: Vec::new(),
        };
        let worse = worse_times(&record, &baseline);
        assert_eq!(worse, ["speed.a", "speed.count"], "memory is not measured again");
        let again = numbers(&[("count", 6.0), ("a", 2.1), ("b", 1.0)]);
        keep_better(&mut record, &baseline, &worse, &again);
        assert_eq!(worse_times(&record, &baseline), ["speed.count"]);
        assert_eq!(record.values["speed.b"], Value::Number(1.9), "what was good is left alone");
        keep_better(&mut record, &baseline, &worse, &numbers(&[("a", 0.5)]));
        assert_eq!(record.values["speed.a"], Value::Number(2.1), "the better one of both");
    }
}
