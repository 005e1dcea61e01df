//! A run of the bench as text, for the terminal.

use fastersam_records::BenchRecord;
use fastersam_records::bench::targets::targets;

/// The matrix products, rows, parts and targets of a run, a line each.
#[must_use]
pub fn bench_summary(record: &BenchRecord) -> String {
    let mut lines = Vec::new();
    for product in &record.products {
        let [m, k, n] = product.shape;
        lines.push(format!("gemm {m} x {k} x {n:<42} {:8.1} GFLOP/s", product.gflops()));
    }
    let peak = record.peak_gflops();
    for row in &record.rows {
        let rate = row.gflops().map_or_else(String::new, |rate| {
            let share = peak.map_or_else(String::new, |peak| format!(" {:5.1}% of peak", 100.0 * rate / peak));
            format!("{rate:7.1} GFLOP/s{share}")
        });
        let memory = row.peak_memory_mib.map_or_else(String::new, |mib| format!("  {mib:.0} MiB"));
        lines.push(format!(
            "{:<42} {:9.2} ms/slice ({:.2} to {:.2})  {rate}{memory}",
            row.id,
            row.ms_per_slice(0.5),
            row.ms_per_slice(0.1),
            row.ms_per_slice(0.9)
        ));
    }
    for row in record.end_to_end.iter().flat_map(|measured| &measured.rows) {
        let name = format!("batch size {}, {}: {}", row.batch_size, row.pause, row.part);
        lines.push(format!("{name:<82} {:9.2} ms/slice", row.median()));
    }
    for target in targets(record) {
        let Some(measured) = target.measured else { continue };
        let spread = target.spread.map_or_else(String::new, |(low, high)| format!(" ({low:.2} to {high:.2})"));
        let verdict = if target.is_met() == Some(true) { "met" } else { "missed" };
        let bound = if target.at_most { "at most" } else { "at least" };
        lines.push(format!(
            "{:<82} {measured:7.2}{spread}, target {bound} {}: {verdict}",
            target.what, target.wanted
        ));
    }
    lines.join("\n")
}
