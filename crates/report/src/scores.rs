//! A record's scores under one protocol, as the tables and plots read them.

use fastersam_metrics::ProtocolSummary;
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
