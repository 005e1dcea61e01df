//! What the report calls things.

use fastersam_records::Scope;

/// A data set with one of its splits: `Synapse, test split`; `Synapse, fold 1`.
pub fn place(dataset: &str, split: &str) -> String {
    let is_usual = ["train", "valid", "test"].iter().any(|usual| split.starts_with(usual));
    let suffix = if is_usual { " split" } else { "" };
    format!("{dataset}, {split}{suffix}")
}

/// What is timed, and how many slices at a time.
pub fn timed(scope: Scope, batch_size: usize) -> String {
    format!("{scope}, batch size {batch_size}")
}

/// Pause points: `stage 0 + blocks 2, 4`.
pub fn points(points: &[usize]) -> String {
    let blocks: Vec<String> = points.iter().filter(|point| **point > 0).map(ToString::to_string).collect();
    let blocks = match blocks.len() {
        0 => None,
        1 => Some(format!("block {}", blocks[0])),
        _ => Some(format!("blocks {}", blocks.join(", "))),
    };
    let stage_zero = points.contains(&0).then(|| "stage 0".to_owned());
    let parts: Vec<String> = stage_zero.into_iter().chain(blocks).collect();
    if parts.is_empty() { "none".into() } else { parts.join(" + ") }
}

/// One pause point.
pub fn point(point: usize) -> String {
    if point == 0 { "stage 0".into() } else { format!("block {point}") }
}
