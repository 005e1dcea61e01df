//! The bench: targets, rows, the machine's peak, and the time from file to file.

use fastersam_records::bench::targets::targets;
use fastersam_records::{BenchRecord, EndToEnd, EndToEndRow, slug};

use super::bench_rows::{execution_table, rows_table, waterfall_table};
use super::parts::table;
use crate::table::{Cell, Emphasis, Table};

/// All tables of a run.
pub fn bench(record: &BenchRecord) -> Vec<Table> {
    let mut tables = vec![
        targets_table(record),
        waterfall_table(record),
        rows_table(record),
        execution_table(record),
        peak_table(record),
    ];
    tables.extend(record.end_to_end.as_ref().map(end_to_end_table));
    tables.retain(|table| !table.rows.is_empty());
    tables
}

fn targets_table(record: &BenchRecord) -> Table {
    let columns = [
        ("what", "Quantity"),
        ("wanted", "Target"),
        ("measured", "Measured"),
        ("p10", "10th percentile"),
        ("p90", "90th percentile"),
        ("verdict", "Result"),
        ("rows", ""),
    ];
    let mut table = table("bench-targets", "Targets", &columns);
    for target in targets(record).iter().filter(|target| target.measured.is_some()) {
        let bound = if target.at_most { "at most" } else { "at least" };
        let cells = vec![
            Cell::text(target.what),
            Cell::Text(format!("{bound} {}", target.wanted)),
            Cell::number(target.measured, 2),
            Cell::number(target.spread.map(|(low, _)| low), 2),
            Cell::number(target.spread.map(|(_, high)| high), 2),
            Cell::text(if target.is_met() == Some(true) { "met" } else { "missed" }),
            Cell::Text(target.rows.join(" ")),
        ];
        table.rows.push((Emphasis::Ours, cells));
    }
    table.notes.push(
        "Ratios of the medians per slice within this run; the percentiles are of the ratio in each round. The programs \
         were interleaved and used the same number of threads."
            .into(),
    );
    table
}

fn peak_table(record: &BenchRecord) -> Table {
    let columns = [("product", "Matrix product (rows x depth x columns)"), ("gflops", "GFLOP/s, median")];
    let mut table = table("bench-peak", "Peak matrix speed of this machine", &columns);
    for product in &record.products {
        let [m, k, n] = product.shape;
        let cells = vec![Cell::Text(format!("{m} x {k} x {n}")), Cell::Number(product.gflops(), 0)];
        table.rows.push((Emphasis::ours(Some(product.gflops()) == record.peak_gflops()), cells));
    }
    table.notes.push(
        "The `gemm` crate on all threads, f32, interleaved with the rows. The fastest product is the gemm peak of the other \
         tables."
            .into(),
    );
    table
}

/// Batch size and pause setting.
type Kind<'a> = (usize, &'a str);

fn of_kind<'a>(rows: &'a [EndToEndRow], (batch, pause): Kind<'a>) -> impl Iterator<Item = &'a EndToEndRow> {
    rows.iter().filter(move |row| row.batch_size == batch && row.pause == pause)
}

fn end_to_end_table(measured: &EndToEnd) -> Table {
    let rows = &measured.rows;
    let kinds: Vec<Kind<'_>> =
        rows.iter().filter(|row| row.is_whole).map(|row| (row.batch_size, row.pause.as_str())).collect();
    let heading = |&(batch, pause): &Kind<'_>| {
        (format!("ms_per_slice_batch_{batch}_{}", slug(pause)), format!("Batch size {batch}, {pause}"))
    };
    let headings: Vec<(String, String)> = kinds.iter().map(heading).collect();
    let mut columns = vec![("part", "Part, ms/slice")];
    columns.extend(headings.iter().map(|(id, heading)| (id.as_str(), heading.as_str())));
    let mut table =
        table("bench-end-to-end", "End to end: from the scan's file to the file of its class map", &columns);
    let line = |part: &str, emphasis: Emphasis, value: &dyn Fn(Kind<'_>) -> Option<f64>| {
        let cells = kinds.iter().map(|kind| Cell::number(value(*kind), 2));
        (emphasis, [Cell::text(part)].into_iter().chain(cells).collect())
    };
    // The first kind names the parts of all.
    for row in kinds.first().into_iter().flat_map(|kind| of_kind(rows, *kind)) {
        if row.is_whole {
            let sum = |kind: Kind<'_>| {
                Some(of_kind(rows, kind).filter(|row| !row.is_whole).map(EndToEndRow::median).sum::<f64>())
            };
            table.rows.push(line("sum of the parts", Emphasis::Ours, &sum));
        }
        let median =
            |kind: Kind<'_>| of_kind(rows, kind).find(|other| other.part == row.part).map(EndToEndRow::median);
        table.rows.push(line(&row.part, Emphasis::ours(row.is_whole), &median));
    }
    let [slices, height, width] = measured.scan;
    table.notes.push(format!(
        "Medians. A phantom of {slices} slices of {height} x {width} pixels ({:.1} MiB compressed), {} at {} px. The parts \
         are timed within the end-to-end run. The next batch is resampled while the current one is computed, so the parts \
         can add up to more than the whole.",
        measured.scan_mib, measured.preset, measured.input_size
    ));
    table
}
