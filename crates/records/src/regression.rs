//! What a change must not cost: figures of a fixed suite, and the baseline that they are held against.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// A figure of the suite.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Value {
    /// What can be more or less.
    Number(f64),
    /// What is the same or not: a checksum.
    Text(String),
}

impl Value {
    /// The number, where it is one.
    #[must_use]
    pub fn number(&self) -> Option<f64> {
        match self {
            Self::Number(value) => Some(*value),
            Self::Text(_) => None,
        }
    }
}

impl std::fmt::Display for Value {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Text(text) => formatter.write_str(text),
            // Counts as they are, everything else with the digits that matter.
            Self::Number(value) if value.fract() == 0.0 => write!(formatter, "{value:.0}"),
            Self::Number(value) if value.abs() >= 100.0 => write!(formatter, "{value:.1}"),
            Self::Number(value) => write!(formatter, "{value:.4}"),
        }
    }
}

/// The kind of machine that figures belong to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Machine {
    /// Architecture and the widest vectors that the kernels use: `x86_64-avx2`.
    pub kind: String,
    /// Processor, as the operating system names it.
    pub cpu: String,
    /// Number of threads.
    pub threads: usize,
}

/// One run of the suite, as the history keeps it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RegressionRecord {
    /// Commit of the source tree; `unknown` outside a checkout.
    pub commit: String,
    /// When it ran, RFC 3339 in UTC.
    pub date: String,
    /// What it ran on.
    pub machine: Machine,
    /// The figures by name: `accuracy.dice.heart.never`. What stands before the first dot is the part of the suite.
    pub values: BTreeMap<String, Value>,
    /// What could not be measured, and why.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub skipped: Vec<String>,
}

/// Which way is better.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Better {
    /// More.
    Higher,
    /// Less.
    Lower,
    /// Neither: any change is to be explained.
    Same,
}

/// How far a figure may be from its baseline.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Tolerance {
    /// So much.
    Absolute(f64),
    /// So many percent.
    Percent(f64),
}

impl Tolerance {
    /// The least and the largest value that pass.
    #[must_use]
    pub fn around(self, baseline: f64) -> (f64, f64) {
        let room = match self {
            Self::Absolute(room) => room,
            Self::Percent(percent) => baseline.abs() * percent / 100.0,
        };
        (baseline - room, baseline + room)
    }
}

/// What is known of a figure.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Metric {
    /// What it is counted in; empty for a ratio or a checksum.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub unit: String,
    /// Which way is better.
    pub better: Better,
    /// On the machine that the baseline was measured on, or on one with the same processor and number of threads.
    pub within: Tolerance,
    /// On any other machine; none where the figure says nothing there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub across: Option<Tolerance>,
}

/// The figures of one kind of machine.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MachineBaseline {
    /// Processor that they were measured on.
    pub cpu: String,
    /// Number of threads.
    pub threads: usize,
    /// The figures by name.
    pub values: BTreeMap<String, Value>,
}

/// Why a baseline was changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reason {
    /// When, RFC 3339 in UTC.
    pub date: String,
    /// The commit that was measured.
    pub commit: String,
    /// The kind of machine whose figures changed.
    pub machine: String,
    /// In words.
    pub reason: String,
}

/// What figures are held against.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Baseline {
    /// Every change of it, the first one first.
    #[serde(default)]
    pub changes: Vec<Reason>,
    /// Figures by kind of machine.
    #[serde(default)]
    pub machines: BTreeMap<String, MachineBaseline>,
    /// What is known of each figure.
    #[serde(default)]
    pub metrics: BTreeMap<String, Metric>,
}

impl Baseline {
    /// The figures that a machine is held against, and whether they are of a machine like it: of its own kind, or else of the
    /// first kind that there is.
    #[must_use]
    pub fn of_machine(&self, machine: &Machine) -> Option<(&MachineBaseline, bool)> {
        let own = self.machines.get(&machine.kind);
        let figures = own.or_else(|| self.machines.values().next())?;
        let is_like =
            own.is_some() && (figures.cpu.as_str(), figures.threads) == (machine.cpu.as_str(), machine.threads);
        Some((figures, is_like))
    }
}

/// How a figure did.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Within tolerance.
    Same,
    /// Better by more than the tolerance.
    Better,
    /// Worse by more than the tolerance, changed where nothing may, or not measured any more.
    Worse,
    /// The baseline does not know it.
    New,
    /// Says nothing on this machine.
    NotComparable,
}

/// A figure beside its baseline.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Comparison {
    /// Its name.
    pub name: String,
    /// What it is counted in.
    pub unit: String,
    /// What was measured.
    pub now: Option<Value>,
    /// What the baseline says.
    pub baseline: Option<Value>,
    /// The least and the largest value that pass, where it is a number.
    pub allowed: Option<(f64, f64)>,
    /// How it did.
    pub verdict: Verdict,
}

/// The part of the suite that a figure belongs to.
#[must_use]
pub fn part(name: &str) -> &str {
    name.split('.').next().unwrap_or(name)
}

/// Holds a run against a baseline. Figures of parts that did not run are left out.
#[must_use]
pub fn compare(baseline: &Baseline, record: &RegressionRecord) -> Vec<Comparison> {
    let known = baseline.of_machine(&record.machine);
    let ran = |name: &str| record.values.keys().any(|value| part(value) == part(name));
    let missing = known.into_iter().flat_map(|(figures, _)| figures.values.keys());
    let missing = missing.filter(|name| !record.values.contains_key(*name) && ran(name));
    let mut names: Vec<&String> = record.values.keys().chain(missing).collect();
    names.sort();
    names.into_iter().map(|name| compare_one(baseline, record, name)).collect()
}

fn compare_one(baseline: &Baseline, record: &RegressionRecord, name: &str) -> Comparison {
    let now = record.values.get(name);
    let metric = baseline.metrics.get(name);
    let mut comparison = Comparison {
        name: name.to_owned(),
        unit: metric.map(|metric| metric.unit.clone()).unwrap_or_default(),
        now: now.cloned(),
        baseline: None,
        allowed: None,
        verdict: Verdict::New,
    };
    let Some((metric, (figures, is_like))) = metric.zip(baseline.of_machine(&record.machine)) else {
        return comparison;
    };
    let Some(before) = figures.values.get(name) else { return comparison };
    comparison.baseline = Some(before.clone());
    let tolerance = if is_like { Some(metric.within) } else { metric.across };
    let Some(tolerance) = tolerance else {
        return Comparison { verdict: Verdict::NotComparable, ..comparison };
    };
    let (Some(before), Some(now)) = (before.number(), now.and_then(Value::number)) else {
        let is_same = now == comparison.baseline.as_ref();
        return Comparison { verdict: if is_same { Verdict::Same } else { Verdict::Worse }, ..comparison };
    };
    let (least, most) = tolerance.around(before);
    comparison.allowed = Some((least, most));
    comparison.verdict = match metric.better {
        _ if (least..=most).contains(&now) => Verdict::Same,
        Better::Higher if now > most => Verdict::Better,
        Better::Lower if now < least => Verdict::Better,
        // What is no number is worse, too.
        _ => Verdict::Worse,
    };
    comparison
}

#[cfg(test)]
mod tests {
    use super::*;

    fn machine(kind: &str, cpu: &str) -> Machine {
        Machine { kind: kind.into(), cpu: cpu.into(), threads: 2 }
    }

    fn record(machine: Machine, values: &[(&str, Value)]) -> RegressionRecord {
        let values = values.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
        RegressionRecord { commit: "a".into(), date: "b".into(), machine, values, skipped: Vec::new() }
    }

    fn baseline() -> Baseline {
        let metric = |better, within, across| Metric { unit: String::new(), better, within, across };
        let number = Value::Number;
        let values = [
            ("accuracy.dice", number(0.8)),
            ("logits.sha256", Value::Text("abc".into())),
            ("macs.gmacs", number(7.0)),
            ("speed.ratio", number(2.0)),
        ];
        let exact = Tolerance::Absolute(0.0);
        Baseline {
            changes: Vec::new(),
            machines: BTreeMap::from([(
                "x86_64-avx2".to_owned(),
                MachineBaseline {
                    cpu: "one".into(),
                    threads: 2,
                    values: values.map(|(name, value)| (name.to_owned(), value)).into(),
                },
            )]),
            metrics: BTreeMap::from([
                ("accuracy.dice".to_owned(), metric(Better::Higher, exact, Some(Tolerance::Absolute(0.01)))),
                ("logits.sha256".to_owned(), metric(Better::Same, exact, None)),
                ("macs.gmacs".to_owned(), metric(Better::Lower, exact, Some(exact))),
                ("speed.ratio".to_owned(), metric(Better::Higher, Tolerance::Percent(25.0), None)),
            ]),
        }
    }

    fn verdicts(machine: Machine, values: &[(&str, Value)]) -> Vec<(String, Verdict)> {
        let compared = compare(&baseline(), &record(machine, values));
        compared.into_iter().map(|comparison| (comparison.name, comparison.verdict)).collect()
    }

    #[test]
    fn each_figure_is_held_against_the_tolerance_of_its_nature() {
        let own = || machine("x86_64-avx2", "one");
        let verdict = |name: &str, value: Value| verdicts(own(), &[(name, value)])[0].1;
        assert_eq!(verdict("accuracy.dice", Value::Number(0.8)), Verdict::Same);
        assert_eq!(verdict("accuracy.dice", Value::Number(0.799_999)), Verdict::Worse);
        assert_eq!(verdict("accuracy.dice", Value::Number(0.81)), Verdict::Better);
        assert_eq!(verdict("accuracy.dice", Value::Number(f64::NAN)), Verdict::Worse);
        assert_eq!(verdict("logits.sha256", Value::Text("abc".into())), Verdict::Same);
        assert_eq!(verdict("logits.sha256", Value::Text("abd".into())), Verdict::Worse);
        assert_eq!(verdict("macs.gmacs", Value::Number(6.0)), Verdict::Better);
        assert_eq!(verdict("macs.gmacs", Value::Number(7.1)), Verdict::Worse);
        assert_eq!(verdict("speed.ratio", Value::Number(1.6)), Verdict::Same);
        assert_eq!(verdict("speed.ratio", Value::Number(1.4)), Verdict::Worse);
        assert_eq!(verdict("speed.other", Value::Number(1.4)), Verdict::New);
    }

    #[test]
    fn another_machine_is_held_against_what_holds_across_machines() {
        for other in [machine("x86_64-avx2", "two"), machine("aarch64-neon", "one")] {
            let verdict = |name: &str, value: Value| verdicts(other.clone(), &[(name, value)])[0].1;
            assert_eq!(verdict("accuracy.dice", Value::Number(0.795)), Verdict::Same);
            assert_eq!(verdict("accuracy.dice", Value::Number(0.78)), Verdict::Worse);
            assert_eq!(verdict("logits.sha256", Value::Text("abd".into())), Verdict::NotComparable);
            assert_eq!(verdict("macs.gmacs", Value::Number(7.1)), Verdict::Worse);
            assert_eq!(verdict("speed.ratio", Value::Number(0.1)), Verdict::NotComparable);
        }
    }

    #[test]
    fn a_figure_that_is_gone_is_named_and_a_part_that_did_not_run_is_not() {
        let found = verdicts(machine("x86_64-avx2", "one"), &[("macs.other", Value::Number(1.0))]);
        let expected = [("macs.gmacs", Verdict::Worse), ("macs.other", Verdict::New)];
        assert_eq!(found, expected.map(|(name, verdict)| (name.to_owned(), verdict)));
    }
}
