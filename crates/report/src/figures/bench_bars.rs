//! The bench as bars: step by step, the machine's peak, memory, and the time from file to file.

use fastersam_records::bench::waterfall::waterfall;
use fastersam_records::{BenchRecord, BenchRow, BenchScope, EndToEndRow, Program, quantile};

use crate::draw::bars::{Bar, Bars};

/// The bars of a run, in the order of the page, each with its file name; some may have none.
pub fn bars(record: &BenchRecord) -> impl Iterator<Item = (&'static str, Bars)> {
    let of_all =
        [("bench-waterfall", steps(record)), ("bench-peak", peak(record)), ("bench-memory", memory(record))];
    of_all.into_iter().chain(end_to_end(record).map(|bars| ("bench-end-to-end", bars)))
}

/// The rows at the size that pausing is made for.
pub fn at_224(record: &BenchRecord) -> impl Iterator<Item = &BenchRow> {
    record.rows.iter().filter(|row| row.preset == "vit_b" && row.input_size == 224)
}

fn bar(name: &str, row: &BenchRow, value: f64) -> Bar {
    Bar { name: name.to_owned(), value, spread: None, is_highlighted: row.program == Program::FasterSam }
}

fn steps(record: &BenchRecord) -> Bars {
    let rate = |row: &BenchRow, share: f64| 1e3 / row.ms_per_slice(share);
    let bars = waterfall(record).into_iter().map(|step| Bar {
        spread: Some((rate(step.row, 0.9), rate(step.row, 0.1))),
        ..bar(step.what, step.row, rate(step.row, 0.5))
    });
    Bars {
        title: "Throughput, step by step (ViT-B)".into(),
        subtitle: format!(
            "Bars: median; black lines: 10th to 90th percentile. Dark: with this project's fused kernels. {} threads.",
            record.provenance.threads
        ),
        label: "Slices/s".into(),
        decimals: 2,
        bars: bars.collect(),
    }
}

/// What a plot calls a row of one input size.
fn name(row: &BenchRow) -> String {
    let batch = format!("batch size {}", row.batch_size);
    match (row.program, row.scope) {
        (Program::FasterSam, _) if row.precision != "f32" => {
            format!("{}, {batch}, {}, {}", row.scope, row.pause, row.precision)
        }
        (Program::FasterSam, _) => format!("{}, {batch}, {}", row.scope, row.pause),
        (program, BenchScope::Encoder) => format!("{program}: encoder, {batch}"),
        (program, scope) => format!("{program}: {scope}, {batch}"),
    }
}

fn peak(record: &BenchRecord) -> Bars {
    let share = |row: &BenchRow| Some(100.0 * row.gflops()? / record.peak_gflops()?);
    Bars {
        title: "Share of the machine's peak matrix speed (ViT-B, 224 px)".into(),
        subtitle: "Operations of the matrix products per second, against the fastest product of the gemm crate. Dark: with this \
                   project's fused kernels."
            .into(),
        label: "Share of gemm peak (%)".into(),
        decimals: 0,
        bars: at_224(record).filter_map(|row| Some(bar(&name(row), row, share(row)?))).collect(),
    }
}

fn memory(record: &BenchRecord) -> Bars {
    Bars {
        title: "Peak memory of one pass after loading (ViT-B, 224 px)".into(),
        subtitle: "Peak resident memory of a separate process. Dark: with this project's fused kernels.".into(),
        label: "Peak memory (MiB)".into(),
        decimals: 0,
        bars: at_224(record).filter_map(|row| Some(bar(&name(row), row, row.peak_memory_mib?))).collect(),
    }
}

fn end_to_end(record: &BenchRecord) -> Option<Bars> {
    let rows = &record.end_to_end.as_ref()?.rows;
    // The fastest setting, where everything but the network weighs most.
    let fastest = rows.iter().filter(|row| row.is_whole).min_by(|a, b| a.median().total_cmp(&b.median()))?;
    let same = rows.iter().filter(|row| (row.batch_size, &row.pause) == (fastest.batch_size, &fastest.pause));
    let bar = |row: &EndToEndRow| Bar {
        name: row.part.clone(),
        value: row.median(),
        spread: Some((quantile(&row.ms_per_slice, 0.1), quantile(&row.ms_per_slice, 0.9))),
        is_highlighted: row.is_whole,
    };
    Some(Bars {
        title: format!("End-to-end time by part: batch size {}, {}", fastest.batch_size, fastest.pause),
        subtitle: "Bars: median; black lines: 10th to 90th percentile. Dark: the whole, from file to file.".into(),
        label: "ms/slice".into(),
        decimals: 2,
        bars: same.map(bar).collect(),
    })
}
