//! Ratios of times and of memory, which hold on any machine of a kind.

use anyhow::{Context, Result};
use burn::tensor::Device;
use fastersam_bench::{self as bench, Options};
use fastersam_records::regression::Value;
use fastersam_records::{BenchRecord, BenchRow, ProductRow, quantile};

use super::values::Values;
use crate::provenance::Origin;

const ENCODER: &str = "fastersam-vit_s-224-b1-encoder-never";
const COMPOSED: &str = "composed-vit_s-224-b1-encoder-never";
const MODEL: &str = "fastersam-vit_s-224-b1-model-never";
const HALF: &str = "fastersam-vit_s-224-b1-model-half";
const STAGE_0: &str = "fastersam-vit_s-224-b1-model-stage0";
const TRAINING: &str = "fastersam-vit_s-224-b8-training-never";
/// Rounds in which the rows take turns.
const ROUNDS: usize = 11;

/// How often the faster of two rows runs in the time of the slower one: name, slow, fast.
const SPEED_UPS: [(&str, &str, &str); 3] = [
    ("fused_over_generic", COMPOSED, ENCODER),
    ("half_over_never", MODEL, HALF),
    ("stage_0_over_never", MODEL, STAGE_0),
];

/// Speed-ups within one run, the share of the machine's peak, and what the kernels counted.
pub fn ratios(device: &Device, origin: &Origin) -> Result<Values> {
    let record = run(&[ENCODER, COMPOSED, MODEL, HALF, STAGE_0], ROUNDS, false, device, origin)?;
    let mut values = Values::new();
    for (name, slow, fast) in SPEED_UPS {
        // The fastest round of each: what else the machine does slows rounds down, and never makes one faster.
        let ratio = row(&record, slow)?.ms_per_slice(0.0) / row(&record, fast)?.ms_per_slice(0.0);
        values.insert(name.to_owned(), Value::Number(ratio));
    }
    let encoder = row(&record, ENCODER)?;
    let rate = encoder.gmacs.map(|gmacs| 2e3 * gmacs / encoder.ms_per_slice(0.0));
    let of_product = |product: &ProductRow| {
        2e-9 * product.shape.iter().product::<usize>() as f64 / quantile(&product.seconds, 0.0)
    };
    let peak = record.products.iter().map(of_product).max_by(f64::total_cmp);
    values.extend(rate.zip(peak).map(|(rate, peak)| ("share_of_peak".to_owned(), Value::Number(rate / peak))));
    for id in [ENCODER, MODEL, HALF, STAGE_0] {
        let counted = row(&record, id)?.counted_gmacs;
        values.extend(counted.map(|gmacs| (format!("counted_gmacs.{id}"), Value::Number(gmacs))));
    }
    Ok(values)
}

/// Peak memory of one pass over the size of the weights; empty where the system does not tell.
pub fn memory(device: &Device, origin: &Origin) -> Result<Values> {
    let record = run(&[ENCODER, MODEL, TRAINING], 1, true, device, origin)?;
    let ratio = |row: &BenchRow| Some(Value::Number(row.peak_memory_mib? / row.weights_mib));
    Ok(record.rows.iter().filter_map(|row| Some((format!("over_weights.{}", row.id), ratio(row)?))).collect())
}

fn run(rows: &[&str], rounds: usize, memory: bool, device: &Device, origin: &Origin) -> Result<BenchRecord> {
    let folder = tempfile::tempdir()?;
    let options = Options {
        only: rows.iter().map(|&row| row.to_owned()).collect(),
        peer: None,
        batch_sizes: Vec::new(),
        rounds,
        all: true,
        memory,
        dice_from: None,
        output: folder.path().to_owned(),
    };
    bench::run(&options, device, origin.provenance(serde_json::Value::Null, 1, "none", None))
}

fn row<'a>(record: &'a BenchRecord, id: &str) -> Result<&'a BenchRow> {
    record.row(id).with_context(|| format!("the bench has no row {id}"))
}
