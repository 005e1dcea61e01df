//! A record's scores under one protocol, as the tables and plots read them.

use fastersam_records::EvaluationRecord;

/// The two evaluation protocols, always printed together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// What the papers print.
    TransUnet,
    /// Missed and invented organs count.
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

/// Means over cases and classes.
#[derive(Clone, Debug, PartialEq)]
pub struct Scores {
    /// Mean Dice in [0, 1].
    pub dice: Option<f64>,
    /// 95 % interval of the mean Dice.
    pub interval: Option<(f64, f64)>,
    /// Mean HD95 in voxels.
    pub hd95_vox: Option<f64>,
    /// Mean HD95 in millimetres, where the spacing is known.
    pub hd95_mm: Option<f64>,
    /// Mean Dice of each class.
    pub per_class: Vec<Option<f64>>,
}

/// The scores of `record` under `protocol`.
pub fn scores(record: &EvaluationRecord, protocol: Protocol) -> Scores {
    let summary = &record.summary;
    let p = match protocol {
        Protocol::TransUnet => &summary.transunet,
        Protocol::Strict => &summary.strict,
    };
    Scores {
        dice: p.dice,
        interval: p.dice_interval,
        hd95_vox: p.hd95_vox,
        hd95_mm: p.hd95_mm,
        per_class: p.per_class_dice.clone(),
    }
}
