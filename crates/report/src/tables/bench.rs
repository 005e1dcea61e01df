//! The bench: targets, waterfall, all rows, the matrix peak, and the way from file to file.

use super::{emphasis, percent, table};
use crate::table::{Cell, Table};
use fastersam_records::bench::targets::{speed_up, targets};
use fastersam_records::bench::waterfall::waterfall;
use fastersam_records::{BenchRecord, BenchRow, BenchScope, WholeWay};

/// The columns that say how a row did, behind those that say what it is.
const MEASURES: [(&str, &str); 12] = [
    ("ms_per_slice_median", "ms/slice, median"),
    ("ms_per_slice_p10", "10th pct."),
    ("ms_per_slice_p90", "90th pct."),
    ("slices_per_s", "Slices/s"),
    ("gmacs", "GMACs/slice"),
    ("counted_gmacs", "counted"),
    ("gflops", "GFLOP/s"),
    ("share_of_peak_percent", "of the gemm peak (%)"),
    ("peak_memory_mib", "Peak memory (MiB)"),
    ("memory_over_weights", "/ weights"),
    ("dice", "Dice"),
    ("dice_of", "of (data, setting)"),
];

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
        percent(rate.zip(peak).map(|(rate, peak)| rate / peak), 0),
        Cell::number(row.peak_memory_mib, 0),
        Cell::number(row.peak_memory_mib.map(|peak| peak / row.weights_mib), 2),
        Cell::number(dice.map(|dice| dice.dice), 4),
        dice.map_or(Cell::Missing, |dice| Cell::Text(format!("{}: {}", dice.scored_on, dice.setting))),
    ]
}

/// Said of the measures.
const ABOUT_MEASURES: &str = "Median and percentiles over the rounds. GMACs: multiply-accumulates of matrix products, \
     predicted from shapes and active tokens; `counted`: what one pass ran, in this project's kernels. GFLOP/s: two \
     operations a multiply-accumulate. Peak memory: of a process of its own over one pass after \
     loading; weights are counted before packing, four bytes each.";

/// Said where scores may stand.
const ABOUT_DICE: &str = "Dice: of a trained checkpoint of the same backbone and input whose share of active tokens \
     differs by no more than 0.05 after any pause point.";

/// All tables of a run.
pub fn bench(record: &BenchRecord) -> Vec<Table> {
    let mut tables = vec![targets_table(record), waterfall_table(record), rows_table(record), peak_table(record)];
    tables.extend(record.whole_way.as_ref().map(way_table));
    tables.retain(|table| !table.rows.is_empty());
    tables
}

fn targets_table(record: &BenchRecord) -> Table {
    let columns = [
        ("what", "What"),
        ("wanted", "Wanted"),
        ("measured", "Measured"),
        ("p10", "10th pct."),
        ("p90", "90th pct."),
        ("verdict", "Verdict"),
        ("rows", ""),
    ];
    let mut table = table("bench-targets".into(), "What was set out to be shown".into(), &columns);
    for target in targets(record).iter().filter(|target| target.measured.is_some()) {
        let bound = if target.at_most { "at most" } else { "at least" };
        table.rows.push((
            emphasis(false),
            vec![
                Cell::text(target.what),
                Cell::Text(format!("{bound} {}", target.wanted)),
                Cell::number(target.measured, 2),
                Cell::number(target.spread.map(|(low, _)| low), 2),
                Cell::number(target.spread.map(|(_, high)| high), 2),
                Cell::text(if target.is_met() == Some(true) { "met" } else { "missed" }),
                Cell::Text(target.rows.join(" ")),
            ],
        ));
    }
    table.notes.push(
        "Ratios of medians within this one run, per slice; the percentiles are those of the rounds' ratios. The programs \
         took turns with the same number of threads."
            .into(),
    );
    table
}

fn waterfall_table(record: &BenchRecord) -> Table {
    let own = [
        ("step", "Step"),
        ("scope", "Time covers"),
        ("batch_size", "Batch"),
        ("speed_up", "Times as fast as the first"),
    ];
    let columns = [&own[..], &MEASURES, &[("row", "")]].concat();
    let mut table = table("bench-waterfall".into(), "Step by step".into(), &columns);
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
        table.rows.push((emphasis(row.scope == BenchScope::Volume), cells));
    }
    table.notes.push(
        "ViT-B. The first rows are SAM's image encoder alone, which is what others' decoders come on top of; whole \
         models and voxels to class map include everything. Highlighted: from voxels to class map."
            .into(),
    );
    table.notes.extend([ABOUT_MEASURES.to_owned(), ABOUT_DICE.to_owned()]);
    table
}

fn rows_table(record: &BenchRecord) -> Table {
    let own = [
        ("program", "Program"),
        ("preset", "Backbone"),
        ("scope", "Time covers"),
        ("input_size_px", "Input (px)"),
        ("batch_size", "Batch"),
        ("pause", "Pausing"),
    ];
    let columns = [&own[..], &MEASURES, &[("rounds", ""), ("row", "")]].concat();
    let mut table = table("bench-rows".into(), "All rows".into(), &columns);
    for row in &record.rows {
        let mut cells = vec![
            Cell::text(row.program.to_string()),
            Cell::text(&row.preset),
            Cell::text(row.scope.to_string()),
            Cell::Number(row.input_size as f64, 0),
            Cell::Number(row.batch_size as f64, 0),
            Cell::text(&row.pause),
        ];
        cells.extend(measures(row, record.peak_gflops()));
        cells.extend([Cell::Number(row.seconds.len() as f64, 0), Cell::text(&row.id)]);
        table.rows.push((emphasis(false), cells));
    }
    table.notes.extend([ABOUT_MEASURES.to_owned(), ABOUT_DICE.to_owned()]);
    table
}

fn peak_table(record: &BenchRecord) -> Table {
    let columns = [("product", "Product (rows x depth x columns)"), ("gflops", "GFLOP/s, median")];
    let mut table = table("bench-peak".into(), "The machine's matrix peak".into(), &columns);
    for product in &record.products {
        let [m, k, n] = product.shape;
        let cells = vec![Cell::Text(format!("{m} x {k} x {n}")), Cell::Number(product.gflops(), 0)];
        table.rows.push((emphasis(Some(product.gflops()) == record.peak_gflops()), cells));
    }
    table.notes.push(
        "The `gemm` crate on all threads, f32, in turn with the rows. The best of them is the peak that the rows' shares \
         are of."
            .into(),
    );
    table
}

fn way_table(way: &WholeWay) -> Table {
    let kinds: Vec<(usize, &str)> =
        way.rows.iter().filter(|row| row.is_whole).map(|row| (row.batch_size, row.pause.as_str())).collect();
    let heading = |(batch, pause): &(usize, &str)| {
        (
            format!("ms_per_slice_batch_{batch}_{}", fastersam_records::slug(pause)),
            format!("Batch {batch}, {pause}"),
        )
    };
    let headings: Vec<(String, String)> = kinds.iter().map(heading).collect();
    let mut columns = vec![("part", "Part, ms/slice")];
    columns.extend(headings.iter().map(|(id, heading)| (id.as_str(), heading.as_str())));
    let title = "From a scan's file to the file of its class map".to_owned();
    let mut table = table("bench-whole-way".into(), title, &columns);
    let of = |part: &str, (batch, pause): (usize, &str)| {
        way.rows.iter().find(|row| row.part == part && row.batch_size == batch && row.pause == pause)
    };
    let n_parts = way.rows.len() / kinds.len().max(1);
    for row in way.rows.iter().take(n_parts) {
        if row.is_whole {
            let sum = |kind: &(usize, &str)| -> f64 {
                let parts =
                    way.rows.iter().filter(|row| !row.is_whole && (row.batch_size, row.pause.as_str()) == *kind);
                parts.map(fastersam_records::WayRow::median).sum()
            };
            let cells = kinds.iter().map(|kind| Cell::Number(sum(kind), 2));
            table
                .rows
                .push((emphasis(false), [Cell::text("sum of the parts")].into_iter().chain(cells).collect()));
        }
        let cells =
            kinds.iter().map(|&kind| Cell::number(of(&row.part, kind).map(fastersam_records::WayRow::median), 2));
        table.rows.push((emphasis(row.is_whole), [Cell::text(&row.part)].into_iter().chain(cells).collect()));
    }
    let [slices, height, width] = way.scan;
    table.notes.push(format!(
        "Medians. A phantom of {slices} slices of {height} x {width} pixels ({:.1} MiB compressed), {} at {}. The parts one after the other; \
         `the whole way` in one go, where the next batch is resampled while one is computed.",
        way.scan_mib, way.preset, way.input_size
    ));
    table
}
