//! Speed, memory and cost.

use fastersam_records::ThroughputRecord;

use super::parts::{OURS, table};
use crate::results::Results;
use crate::settings::used_points;
use crate::table::{Cell, Emphasis, Table};

/// Speed, memory and cost of everything that was measured.
pub fn efficiency(results: &Results) -> Table {
    let columns = [
        ("method", "Method"),
        ("setting", "Pausing"),
        ("dataset", "Data set"),
        ("pause_points", "Pause points"),
        ("scope", "What is timed"),
        ("batch_size", "Batch size"),
        ("input_size_px", "Input (px)"),
        ("slices_per_s", "Slices/s"),
        ("ms_per_slice_median", "ms/slice, median"),
        ("ms_per_slice_p10", "10th percentile"),
        ("ms_per_slice_p90", "90th percentile"),
        ("speed_up_over_never", "Speed-up over no pausing"),
        ("encoder_gmacs", "Encoder GMACs"),
        ("model_gmacs", "Model GMACs"),
        ("peak_memory_mib", "Peak memory (MiB)"),
        ("trained_parameters_million", "Trained parameters (M)"),
        ("parameters_million", "All parameters (M)"),
        ("runs", "Runs"),
        ("device", "Device"),
        ("threads", "Threads"),
        ("cpu", ""),
        ("source", ""),
        ("commit", ""),
    ];
    let mut table = table("efficiency", "Speed, memory, and cost", &columns).with_below(&["setting"]);
    let rows = results
        .throughputs
        .iter()
        .map(|record| (Emphasis::ours(record.pause.recommended.is_some()), row(record, results.speed_up(record))));
    table.rows = rows.collect();
    table.notes.push(
        "GMACs: multiply-accumulates per slice, from shapes and the active tokens at that setting. Peak memory: peak \
         resident memory of the process. Speed-up: slices/s over those of the same checkpoint without pausing, at the same batch \
         size and in the same scope."
            .into(),
    );
    table.notes.extend(results.about_speed_ups(&results.throughputs));
    table
}

fn row(record: &ThroughputRecord, speed_up: f64) -> Vec<Cell> {
    let cost = record.cost.as_ref();
    vec![
        Cell::text(&record.method),
        Cell::Text(record.pause.label()),
        Cell::text(&record.dataset),
        used_points(&record.pause),
        Cell::text(record.scope.to_string()),
        Cell::Number(record.batch_size as f64, 0),
        Cell::Number(record.input_size as f64, 0),
        Cell::number(Some(record.slices_per_s), 2),
        Cell::number(Some(record.ms_per_slice_median), 2),
        Cell::number(Some(record.ms_per_slice_p10), 2),
        Cell::number(Some(record.ms_per_slice_p90), 2),
        Cell::number(Some(speed_up), 2),
        Cell::number(cost.map(|cost| cost.encoder_gmacs), 3),
        Cell::number(cost.map(|cost| cost.model_gmacs), 3),
        Cell::number(record.peak_memory_mib, 0),
        Cell::number(cost.map(|cost| cost.trained_parameters as f64 / 1e6), 2),
        Cell::number(cost.map(|cost| cost.parameters as f64 / 1e6), 2),
        Cell::Number(record.runs as f64, 0),
        Cell::text(&record.provenance.device),
        Cell::Number(record.provenance.threads as f64, 0),
        Cell::text(&record.provenance.cpu),
        Cell::text(OURS),
        Cell::text(&record.provenance.commit),
    ]
}
