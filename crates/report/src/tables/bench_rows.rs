//! The rows of a bench run: step by step, and all of them.

use fastersam_records::bench::targets::speed_up;
use fastersam_records::bench::waterfall::waterfall;
use fastersam_records::{BenchRecord, BenchRow, BenchScope};

use super::parts::table;
use crate::table::{Cell, Emphasis, Table};

/// The columns that say how a row did, after those that say what it is.
const MEASURES: [(&str, &str); 12] = [
    ("ms_per_slice_median", "ms/slice, median"),
    ("ms_per_slice_p10", "10th percentile"),
    ("ms_per_slice_p90", "90th percentile"),
    ("slices_per_s", "Slices/s"),
    ("gmacs", "GMACs/slice"),
    ("counted_gmacs", "GMACs/slice, counted"),
    ("gflops", "GFLOP/s"),
    ("share_of_peak_percent", "Share of gemm peak (%)"),
    ("peak_memory_mib", "Peak memory (MiB)"),
    ("memory_over_weights", "Peak memory / weights"),
    ("dice", "Dice"),
    ("dice_of", "Dice measured on"),
];

/// Said of the measures.
const ABOUT_MEASURES: &str = "Median and percentiles over the rounds. GMACs: multiply-accumulates of the matrix \
     products, predicted from shapes and active tokens; counted: what one pass executed, in this project's kernels. \
     GFLOP/s: two operations per multiply-accumulate. Peak memory: of a separate process, over one pass after loading; \
     weights count four bytes per parameter, before prepacking.";

/// Said where scores may stand.
const ABOUT_DICE: &str = "Dice: of a trained checkpoint with the same backbone and input size whose share of active \
     tokens differs by no more than 0.05 after any pause point.";

/// From SAM as it is published to this project at its fastest.
pub fn waterfall_table(record: &BenchRecord) -> Table {
    let own = [
        ("step", "Step"),
        ("scope", "What is timed"),
        ("batch_size", "Batch size"),
        ("speed_up", "Speed-up over the first row"),
    ];
    let columns = [&own[..], &MEASURES, &[("row", "")]].concat();
    let mut table = table("bench-waterfall", "Step by step", &columns);
    let steps = waterfall(record);
    for step in &steps {
        let row = step.row;
        let mut cells = vec![
            Cell::text(step.what),
            Cell::text(row.scope.to_string()),
            Cell::Number(row.batch_size as f64, 0),
            Cell::Number(speed_up(steps[0].row, row).0, 2),
        ];
        cells.extend(measures(row, record.peak_gflops()));
        cells.push(Cell::text(&row.id));
        table.rows.push((Emphasis::ours(row.scope == BenchScope::Volume), cells));
    }
    table.notes.push(
        "ViT-B. The encoder rows time SAM's image encoder alone, without a decoder; the rows of the whole model and from \
         voxels to class map include everything. Bold: from voxels to class map."
            .into(),
    );
    table.notes.extend([ABOUT_MEASURES.to_owned(), ABOUT_DICE.to_owned()]);
    table
}

/// All rows.
pub fn rows_table(record: &BenchRecord) -> Table {
    let own = [
        ("program", "Program"),
        ("preset", "Backbone"),
        ("scope", "What is timed"),
        ("input_size_px", "Input (px)"),
        ("batch_size", "Batch size"),
        ("pause", "Pausing"),
        ("precision", "Weights"),
    ];
    let columns = [&own[..], &MEASURES, &[("rounds", ""), ("row", "")]].concat();
    let mut table = table("bench-rows", "All rows", &columns);
    for row in &record.rows {
        let mut cells = vec![
            Cell::text(row.program.to_string()),
            Cell::text(&row.preset),
            Cell::text(row.scope.to_string()),
            Cell::Number(row.input_size as f64, 0),
            Cell::Number(row.batch_size as f64, 0),
            Cell::text(&row.pause),
            // A peer's name says it.
            if row.program.is_peer() { Cell::Missing } else { Cell::text(&row.precision) },
        ];
        cells.extend(measures(row, record.peak_gflops()));
        cells.extend([Cell::Number(row.seconds.len() as f64, 0), Cell::text(&row.id)]);
        table.rows.push((Emphasis::Ours, cells));
    }
    table.notes.extend([ABOUT_MEASURES.to_owned(), ABOUT_DICE.to_owned()]);
    table
}

/// What a GPU was asked to do; empty where the CPU's own backend computed, which compiles nothing and is never waited for.
pub fn execution_table(record: &BenchRecord) -> Table {
    let columns = [
        ("row", "Row"),
        ("read_backs", "Read-backs"),
        ("shapes", "Different numbers of rows"),
        ("launches", "Kernels launched"),
        ("kernels", "Different kernels"),
    ];
    let mut table = table("bench-execution", "What the device was asked to do in one pass", &columns);
    let is_elsewhere = record.provenance.device != "flex";
    for row in record.rows.iter().filter(|_| is_elsewhere) {
        let Some(execution) = &row.execution else { continue };
        let count = |count: usize| Cell::Number(count as f64, 0);
        let launches = execution.launches;
        let cells = vec![
            Cell::text(&row.id),
            count(execution.read_backs),
            count(execution.shapes),
            launches.map_or(Cell::Missing, |launches| count(launches.total)),
            launches.map_or(Cell::Missing, |launches| count(launches.kernels)),
        ];
        table.rows.push((Emphasis::Ours, cells));
    }
    table.notes.push(
        "Read-backs: times that the host waited to learn how many tokens stay active. Numbers of rows: those that the \
         encoder's blocks computed, padding included. Kernels: counted in the second pass, after everything was compiled \
         and tuned; LibTorch does not say."
            .into(),
    );
    table
}

fn measures(row: &BenchRow, peak: Option<f64>) -> Vec<Cell> {
    let rate = row.gflops();
    let dice = row.dice.as_ref();
    vec![
        Cell::Number(row.ms_per_slice(0.5), 2),
        Cell::Number(row.ms_per_slice(0.1), 2),
        Cell::Number(row.ms_per_slice(0.9), 2),
        Cell::Number(1e3 / row.ms_per_slice(0.5), 2),
        Cell::number(row.gmacs, 2),
        Cell::number(row.counted_gmacs, 2),
        Cell::number(rate, 0),
        Cell::percent(rate.zip(peak).map(|(rate, peak)| rate / peak), 0),
        Cell::number(row.peak_memory_mib, 0),
        Cell::number(row.peak_memory_mib.map(|peak| peak / row.weights_mib), 2),
        Cell::number(dice.map(|dice| dice.dice), 4),
        dice.map_or(Cell::Missing, |dice| Cell::Text(format!("{}: {}", dice.scored_on, dice.setting))),
    ]
}
