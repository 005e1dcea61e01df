//! The bench in pictures: step by step, against the input size, time against cost, the peak, the whole way.

use super::figure;
use crate::plots::{Axis, Bar, Bars, Lines, Panel, series};
use crate::{Figure, ReportError};
use fastersam_records::bench::waterfall::waterfall;
use fastersam_records::{BenchRecord, BenchRow, BenchScope, Program};

/// The figures that the Markdown page shows.
pub const SHOWN: [&str; 2] = ["bench-waterfall", "bench-inputs"];

/// All figures of a run; those without data are left out.
///
/// # Errors
/// A plot can't be drawn.
pub fn bench(record: &BenchRecord) -> Result<Vec<Figure>, ReportError> {
    let mut figures = Vec::new();
    let bars = [steps(record), peak(record), memory(record)].into_iter().chain(way(record));
    for (id, bars) in bars.filter(|(_, bars)| !bars.bars.is_empty()) {
        let caption = format!("{}. {}", bars.title, bars.subtitle);
        figures.push(figure(id.into(), caption, &bars)?);
    }
    for (id, lines) in [inputs(record), costs(record)] {
        if lines.panels.iter().any(|panel| !panel.series.is_empty()) {
            figures.push(figure(id.into(), format!("{}.", lines.title), &lines)?);
        }
    }
    Ok(figures)
}

type Named<T> = (&'static str, T);

fn steps(record: &BenchRecord) -> Named<Bars> {
    let bar = |what: &str, row: &BenchRow| {
        let rate = |share: f64| 1e3 / row.ms_per_slice(share);
        Bar {
            name: what.to_owned(),
            value: rate(0.5),
            spread: Some((rate(0.9), rate(0.1))),
            recommended: row.program == Program::FasterSam,
        }
    };
    let bars = Bars {
        title: "Slices per second, step by step (ViT-B)".into(),
        subtitle: format!(
            "Median, black line: 10th to 90th percentile. Dark: this project's kernels. {} threads.",
            record.provenance.threads
        ),
        label: "Slices per second".into(),
        decimals: 2,
        bars: waterfall(record).iter().map(|step| bar(step.what, step.row)).collect(),
    };
    (SHOWN[0], bars)
}

/// What a plot calls a row of one input size.
fn name(row: &BenchRow) -> String {
    let batch = format!("batch {}", row.batch_size);
    match (row.program, row.scope) {
        (Program::FasterSam, BenchScope::Encoder) => format!("encoder, {}, {batch}", row.pause),
        (Program::FasterSam, _) => format!("{}, {}, {batch}", row.scope, row.pause),
        (program, _) => format!("{program}: encoder, {batch}"),
    }
}

/// The rows at the size that pausing is made for.
fn at_224(record: &BenchRecord) -> impl Iterator<Item = &BenchRow> {
    record.rows.iter().filter(|row| row.preset == "vit_b" && row.input_size == 224)
}

fn peak(record: &BenchRecord) -> Named<Bars> {
    let share = |row: &BenchRow| Some(100.0 * row.gflops()? / record.peak_gflops()?);
    let bars = at_224(record).filter_map(|row| {
        Some(Bar {
            name: name(row),
            value: share(row)?,
            spread: None,
            recommended: row.program == Program::FasterSam,
        })
    });
    let bars = Bars {
        title: "Share of the machine's matrix peak (ViT-B at 224)".into(),
        subtitle: "Operations of the matrix products per second, against the best product of `gemm`. Dark: this project's kernels.".into(),
        label: "Per cent of the gemm peak".into(),
        decimals: 0,
        bars: bars.collect(),
    };
    ("bench-peak", bars)
}

fn memory(record: &BenchRecord) -> Named<Bars> {
    let bars = at_224(record).filter_map(|row| {
        let value = row.peak_memory_mib?;
        Some(Bar { name: name(row), value, spread: None, recommended: row.program == Program::FasterSam })
    });
    let bars = Bars {
        title: "Peak memory of a pass after loading (ViT-B at 224)".into(),
        subtitle: "Peak resident memory of a process of its own. Dark: this project's kernels.".into(),
        label: "Peak memory (MiB)".into(),
        decimals: 0,
        bars: bars.collect(),
    };
    ("bench-memory", bars)
}

fn way(record: &BenchRecord) -> Option<Named<Bars>> {
    let way = record.whole_way.as_ref()?;
    // The fastest setting, where everything beside the network weighs most.
    let fastest = way.rows.iter().filter(|row| row.is_whole).min_by(|a, b| a.median().total_cmp(&b.median()))?;
    let same = way.rows.iter().filter(|row| (row.batch_size, &row.pause) == (fastest.batch_size, &fastest.pause));
    let bars = same.map(|row| Bar {
        name: row.part.clone(),
        value: row.median(),
        spread: Some((
            fastersam_records::quantile(&row.ms_per_slice, 0.1),
            fastersam_records::quantile(&row.ms_per_slice, 0.9),
        )),
        recommended: row.is_whole,
    });
    let bars = Bars {
        title: format!("From file to file: batch {}, {}", fastest.batch_size, fastest.pause),
        subtitle: "Median, black line: 10th to 90th percentile. Dark: all of it in one go.".into(),
        label: "Milliseconds per slice".into(),
        decimals: 2,
        bars: bars.collect(),
    };
    Some(("bench-whole-way", bars))
}

/// Time against the input size, one slice at a time.
fn inputs(record: &BenchRecord) -> Named<Lines> {
    let rows: Vec<&BenchRow> = record
        .rows
        .iter()
        .filter(|row| row.preset == "vit_b" && row.batch_size == 1)
        .filter(|row| matches!(row.scope, BenchScope::Encoder | BenchScope::Model))
        .collect();
    let mut sizes: Vec<usize> = rows.iter().map(|row| row.input_size).collect();
    sizes.sort_unstable();
    sizes.dedup();
    let (y, start) =
        Axis::logarithmic("Milliseconds per slice (logarithmic)", rows.iter().map(|row| row.ms_per_slice(0.5)));
    let mut lines: Vec<(String, Vec<(f64, f64)>)> = Vec::new();
    for row in &rows {
        let at = sizes.iter().position(|&size| size == row.input_size).unwrap_or(0) as f64;
        let point = (at, row.ms_per_slice(0.5).log10() - start);
        let label = match row.program {
            Program::FasterSam => format!("{}: {}, {}", row.program, row.scope, row.pause),
            program => format!("{program}: SAM's encoder"),
        };
        match lines.iter_mut().find(|(name, _)| *name == label) {
            Some((_, points)) => points.push(point),
            None => lines.push((label, vec![point])),
        }
    }
    // A setting that was measured at one size only is no line.
    lines.retain(|(_, points)| points.len() > 1);
    for (_, points) in &mut lines {
        points.sort_by(|a, b| a.0.total_cmp(&b.0));
    }
    let x = Axis::named("Side of the input (pixels)", sizes.iter().map(ToString::to_string).collect());
    let series = lines.into_iter().enumerate().map(|(i, (label, points))| series(label, i, points)).collect();
    let title = "Time per slice against the size of the input (ViT-B, one slice at a time)".into();
    (SHOWN[1], Lines { title, panels: vec![Panel { x, y, series }] })
}

/// Time against cost at 224, where tokens pause more and more.
fn costs(record: &BenchRecord) -> Named<Lines> {
    let mut lines: Vec<(String, Vec<(f64, f64)>)> = Vec::new();
    let rows = at_224(record).filter(|row| row.program == Program::FasterSam);
    for row in rows.filter(|row| matches!(row.scope, BenchScope::Encoder | BenchScope::Model)) {
        let Some(gmacs) = row.gmacs else { continue };
        let label = format!("{}, batch {}", row.scope, row.batch_size);
        let point = (gmacs, row.ms_per_slice(0.5));
        match lines.iter_mut().find(|(name, _)| *name == label) {
            Some((_, points)) => points.push(point),
            None => lines.push((label, vec![point])),
        }
    }
    lines.retain(|(_, points)| points.len() > 1);
    for (_, points) in &mut lines {
        points.sort_by(|a, b| a.0.total_cmp(&b.0));
    }
    let all = || lines.iter().flat_map(|(_, points)| points);
    let x = Axis::from_zero("GMACs per slice", all().map(|point| point.0));
    let y = Axis::from_zero("Milliseconds per slice", all().map(|point| point.1));
    let series =
        lines.iter().enumerate().map(|(i, (label, points))| series(label.clone(), i, points.clone())).collect();
    let title = "Time against cost as tokens pause (ViT-B at 224)".into();
    ("bench-costs", Lines { title, panels: vec![Panel { x, y, series }] })
}
