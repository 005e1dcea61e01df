//! Which values the keys of a configuration can have.
//!
//! A table of bounds says it for all of them, so that a number that no computer could follow is refused by name when a
//! file is read, before anything is allocated for it.

use serde::Serialize;
use serde_json::Value;

/// More entries than this has no list of a configuration.
const MAX_ENTRIES: usize = 1000;

/// A key's path (a list stands for its entries), the lowest and the highest value.
pub type Bound = (&'static str, f64, f64);

/// A [`ModelConfig`](crate::ModelConfig), as a checkpoint holds it. The highest values are a few times those of the
/// largest public models.
pub(crate) const MODEL_BOUNDS: &[Bound] = &[
    ("encoder.img_size", 1.0, 4096.0),
    ("encoder.patch_size", 1.0, 64.0),
    ("encoder.embed_dim", 1.0, 8192.0),
    ("encoder.depth", 1.0, 128.0),
    ("encoder.num_heads", 1.0, 256.0),
    ("encoder.mlp_ratio", 0.001, 64.0),
    ("encoder.out_chans", 1.0, 4096.0),
    ("encoder.layer_norm_eps", 1e-12, 1.0),
    ("encoder.window_size", 0.0, 1024.0),
    ("encoder.global_attn_indexes", 0.0, 127.0),
    ("encoder.pause_points", 0.0, 128.0),
    ("encoder.n_classes", 2.0, 256.0),
    ("encoder.tuning.rank", 1.0, 1024.0),
    ("encoder.tuning.reduction", 1.0, 1024.0),
    ("encoder.injection_blocks", 0.0, 127.0),
    ("encoder.conv_channels", 1.0, 4096.0),
    ("conv_branch.channels", 1.0, 4096.0),
    ("decoder.transformer_dim", 8.0, 4096.0),
    ("decoder.num_heads", 1.0, 256.0),
    ("decoder.mlp_dim", 1.0, 65536.0),
    ("decoder.depth", 1.0, 32.0),
    ("decoder.n_mask_tokens", 2.0, 256.0),
    ("decoder.iou_head_depth", 1.0, 16.0),
    ("decoder.iou_head_hidden_dim", 1.0, 8192.0),
    ("decoder.lora_rank", 1.0, 1024.0),
    ("normalisation.mean", -1e6, 1e6),
    ("normalisation.std", 1e-6, 1e6),
];

/// Checks all keys of a table that a configuration has.
///
/// # Errors
/// Names the first key whose value lies outside its bounds, with these.
pub fn check(config: &impl Serialize, bounds: &[Bound]) -> Result<(), String> {
    let config = serde_json::to_value(config).map_err(|error| error.to_string())?;
    bounds.iter().try_for_each(|&(key, low, high)| check_at(&config, key, key, low, high))
}

fn check_at(value: &Value, rest: &str, key: &str, low: f64, high: f64) -> Result<(), String> {
    if let Value::Array(entries) = value {
        if entries.len() > MAX_ENTRIES {
            return Err(format!("{key} has {} entries; {MAX_ENTRIES} are the most", entries.len()));
        }
        return entries.iter().try_for_each(|entry| check_at(entry, rest, key, low, high));
    }
    if rest.is_empty() {
        // JSON has no numbers that are not finite: they come as null. An option that is not set is not there.
        return match value.as_f64() {
            Some(found) if (low..=high).contains(&found) => Ok(()),
            Some(found) => Err(format!("{key} is {found}; it can be from {low} to {high}")),
            None if value.is_null() => Err(format!("{key} is no finite number; it can be from {low} to {high}")),
            // Another form of the same key, without a number.
            None => Ok(()),
        };
    }
    let (name, rest) = rest.split_once('.').unwrap_or((rest, ""));
    match value.get(name) {
        // A part that is not there, or an option that is not set: its default is in bounds.
        None => Ok(()),
        Some(Value::Null) if !rest.is_empty() => Ok(()),
        Some(inner) => check_at(inner, rest, key, low, high),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn bounds_hold_for_values_and_entries_of_lists() {
        let bounds: &[Bound] = &[("train.epochs", 1.0, 10.0), ("measure.thresholds", 0.0, 1.0)];
        let check = |train: Value, thresholds: Value| {
            check(&json!({"train": {"epochs": train}, "measure": {"thresholds": thresholds}}), bounds)
        };
        assert_eq!(check(json!(1), json!([0.0, 1.0])), Ok(()));
        assert_eq!(check(json!(10), json!([])), Ok(()));
        assert_eq!(check(json!(0), json!([])).unwrap_err(), "train.epochs is 0; it can be from 1 to 10");
        assert!(check(json!(1), json!([0.5, 5.0])).unwrap_err().starts_with("measure.thresholds is 5;"));
        assert!(check(json!(f64::NAN), json!([])).unwrap_err().contains("no finite number"));
        assert!(check(json!(1), json!(vec![0.5; 1001])).unwrap_err().contains("1001 entries"));
        assert_eq!(super::check(&json!({}), bounds), Ok(()));
    }
}
