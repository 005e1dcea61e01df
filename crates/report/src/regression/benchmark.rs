//! The figures as `github-action-benchmark` reads them with its tool `customSmallerIsBetter`.

use fastersam_records::regression::{Baseline, Better, RegressionRecord, Value};
use serde_json::json;

/// A JSON list of numbers of which less is better: a score becomes what it lacks to 1, another figure of which more is better
/// its inverse. Checksums, and figures of which neither is better, are left out.
#[must_use]
pub fn benchmark_json(record: &RegressionRecord, baseline: &Baseline) -> String {
    let entries = record.values.iter().filter_map(|(name, value)| {
        let (Value::Number(value), Some(metric)) = (value, baseline.metrics.get(name)) else { return None };
        let is_score = name.starts_with("accuracy.dice");
        let (name, unit, value) = match metric.better {
            Better::Same => return None,
            Better::Lower => (name.clone(), metric.unit.clone(), *value),
            Better::Higher if is_score => (format!("1 - {name}"), metric.unit.clone(), 1.0 - value),
            Better::Higher => (format!("1 / {name}"), metric.unit.clone(), 1.0 / value),
        };
        // The tool refuses an entry without a unit.
        let unit = if unit.is_empty() { "1".to_owned() } else { unit };
        value
            .is_finite()
            .then(|| json!({ "name": name, "unit": unit, "value": value, "extra": record.machine.kind }))
    });
    json!(entries.collect::<Vec<_>>()).to_string()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use fastersam_records::regression::{Machine, Metric, Tolerance};

    use super::*;

    #[test]
    fn less_is_better_everywhere() {
        let figures = [
            ("accuracy.dice.heart.never", 0.75, Some(Better::Higher)),
            ("speed.half_over_never", 2.0, Some(Better::Higher)),
            ("memory.model", 1.25, Some(Better::Lower)),
            ("accuracy.active_share_after_0", 0.5, Some(Better::Same)),
            ("unknown", 0.5, None),
        ];
        let within = Tolerance::Absolute(0.0);
        let metric = |better| Metric { unit: String::new(), better, within, across: None };
        let named = figures.iter().filter_map(|&(name, _, better)| Some((name.to_owned(), metric(better?))));
        let baseline = Baseline { metrics: named.collect(), ..Baseline::default() };
        let record = RegressionRecord {
            commit: "c".into(),
            date: "d".into(),
            machine: Machine { kind: "k".into(), cpu: "p".into(), threads: 1 },
            values: figures
                .iter()
                .map(|&(name, value, _)| (name.to_owned(), Value::Number(value)))
                .collect::<BTreeMap<_, _>>(),
            skipped: Vec::new(),
        };
        let entries: serde_json::Value =
            serde_json::from_str(&benchmark_json(&record, &baseline)).unwrap_or_default();
        let found: Vec<(&str, f64)> = entries
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|entry| Some((entry["name"].as_str()?, entry["value"].as_f64()?)))
            .collect();
        let expected =
            [("1 - accuracy.dice.heart.never", 0.25), ("memory.model", 1.25), ("1 / speed.half_over_never", 0.5)];
        assert_eq!(found, expected);
    }
}
