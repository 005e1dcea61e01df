//! A run of the bench as text, for the terminal.

use fastersam_records::BenchRecord;
use fastersam_records::bench::targets;

/// The rows and targets.
#[must_use]
pub fn bench_summary(record: &BenchRecord) -> String {
    let mut lines = Vec::new();
    let peak = record.peak_gflops();
    for product in &record.products {
        let [m, k, n] = product.shape;
        lines.push(format!("gemm {m} x {k} x {n:<42} {:8.1} GFLOP/s", product.gflops()));
    }
    for row in &record.rows {
        let rate = row.gflops().map_or_else(String::new, |rate| {
            let share = peak.map_or(f64::NAN, |peak| 100.0 * rate / peak);
            format!("{rate:7.1} GFLOP/s {share:5.1} %")
        });
        let memory = row.peak_memory_mib.map_or_else(String::new, |mib| format!("  {mib:.0} MiB"));
        lines.push(format!(
            "{:<42} {:9.2} ms a slice ({:.2} to {:.2})  {rate}{memory}",
            row.id,
            row.ms_per_slice(0.5),
            row.ms_per_slice(0.1),
            row.ms_per_slice(0.9)
        ));
    }
    for row in record.whole_way.iter().flat_map(|way| &way.rows) {
        let name = format!("batch {}, {}: {}", row.batch_size, row.pause, row.part);
        lines.push(format!("{name:<82} {:9.2} ms a slice", row.median()));
    }
    for target in targets::targets(record) {
        let Some(measured) = target.measured else { continue };
        let spread = target.spread.map_or_else(String::new, |(low, high)| format!(" ({low:.2} to {high:.2})"));
        let verdict = if target.is_met() == Some(true) { "met" } else { "missed" };
        let bound = if target.at_most { "at most" } else { "at least" };
        lines.push(format!("{:<82} {measured:7.2}{spread}, {bound} {}: {verdict}", target.what, target.wanted));
    }
    lines.join("\n")
}
