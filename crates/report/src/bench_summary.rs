//! A run of the bench as text, for the terminal.

use fastersam_records::bench::targets::{Target, targets};
use fastersam_records::{BenchRecord, BenchRow};

/// The matrix products, rows, parts and targets of a run, a line each.
#[must_use]
pub fn bench_summary(record: &BenchRecord) -> String {
    let products = record.products.iter().map(|product| {
        let [m, k, n] = product.shape;
        (format!("gemm {m} x {k} x {n}"), format!("{:9.1} GFLOP/s", product.gflops()))
    });
    let rows = record.rows.iter().map(|row| (row.id.clone(), measured(row, record.peak_gflops())));
    let parts = record.end_to_end.iter().flat_map(|measured| &measured.rows).map(|row| {
        let name = format!("batch size {}, {}: {}", row.batch_size, row.pause, row.part);
        (name, format!("{:9.2} ms/slice", row.median()))
    });
    let targets = targets(record);
    let targets = targets.iter().filter_map(|target| Some((target.what.to_owned(), verdict(target)?)));
    let groups: [Vec<(String, String)>; 4] =
        [products.collect(), rows.collect(), parts.collect(), targets.collect()];
    groups.iter().flat_map(|group| aligned(group)).collect::<Vec<_>>().join("\n")
}

/// Names and what is said of them, in two columns.
fn aligned(lines: &[(String, String)]) -> impl Iterator<Item = String> {
    let width = lines.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0);
    lines.iter().map(move |(name, text)| format!("{name:<width$} {text}"))
}

fn measured(row: &BenchRow, peak: Option<f64>) -> String {
    let spread = format!("({:.2} to {:.2})", row.ms_per_slice(0.1), row.ms_per_slice(0.9));
    let mut text = format!("{:9.2} ms/slice {spread:<22}", row.ms_per_slice(0.5));
    if let Some(rate) = row.gflops() {
        text += &format!(" {rate:7.1} GFLOP/s");
        text += &peak.map_or_else(String::new, |peak| format!(" {:5.1}% of peak", 100.0 * rate / peak));
    }
    text += &row.peak_memory_mib.map_or_else(String::new, |mib| format!(" {mib:6.0} MiB"));
    text.trim_end().to_owned()
}

/// None where the target was not measured.
fn verdict(target: &Target) -> Option<String> {
    let spread = target.spread.map_or_else(String::new, |(low, high)| format!(" ({low:.2} to {high:.2})"));
    let verdict = if target.is_met()? { "met" } else { "missed" };
    let bound = if target.at_most { "at most" } else { "at least" };
    Some(format!("{:9.2}{spread}, target: {bound} {}, {verdict}", target.measured?, target.wanted))
}
