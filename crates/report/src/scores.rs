//! A record's scores under one protocol, as the tables and plots read them.

use std::collections::BTreeMap;

use fastersam_metrics::{CaseScores, ProtocolSummary};
use fastersam_records::EvaluationRecord;

/// The two evaluation protocols, always printed together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// What the papers print.
    TransUnet,
    /// Missed and false-positive organs count.
    Strict,
}

impl Protocol {
    /// Its name in tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::TransUnet => "transunet",
            Self::Strict => "strict",
        }
    }
}

/// The scores of `record` under `protocol`.
pub fn scores(record: &EvaluationRecord, protocol: Protocol) -> &ProtocolSummary {
    match protocol {
        Protocol::TransUnet => &record.summary.transunet,
        Protocol::Strict => &record.summary.strict,
    }
}

/// How much higher the mean Dice of `record` is than that of `reference`, in [-1, 1].
pub fn dice_change(record: &EvaluationRecord, reference: &EvaluationRecord, protocol: Protocol) -> Option<f64> {
    Some(scores(record, protocol).dice? - scores(reference, protocol).dice?)
}

/// The mean Dice of a case over its classes, in [0, 1]; `None` where it has none.
pub fn case_mean(case: &CaseScores, protocol: Protocol) -> Option<f64> {
    let of_class = |class: &fastersam_metrics::ClassScore| match protocol {
        Protocol::TransUnet => Some(class.transunet.dice),
        Protocol::Strict => Some(class.strict?.dice),
    };
    let dice: Vec<f64> = case.classes.iter().filter_map(of_class).collect();
    (!dice.is_empty()).then(|| dice.iter().sum::<f64>() / dice.len() as f64)
}

/// The mean Dice of each case by its name.
pub fn case_means(record: &EvaluationRecord, protocol: Protocol) -> BTreeMap<String, f64> {
    record.cases.iter().filter_map(|case| Some((case.case.clone(), case_mean(case, protocol)?))).collect()
}
