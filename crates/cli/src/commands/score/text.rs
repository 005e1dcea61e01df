//! Scores as text and as CSV.

use std::fmt::Write as _;

use fastersam_metrics::{CaseScores, ClassScore, MeasureSummary, SURFACE_TOLERANCE, Summary, SurfaceScore};

use crate::commands::evaluate::protocol_lines;

/// The most cases that are printed.
const MAX_CASES: usize = 20;

/// Means under both protocols, other measures, and the worst cases.
pub fn scores(classes: &[String], summary: &Summary, worst_first: &[(Option<f64>, &CaseScores)]) -> String {
    let mut lines = protocol_lines(classes, summary);
    let is_mm = summary.surface_mm.assd.mean.is_some();
    let (surface, unit) = if is_mm { (&summary.surface_mm, "mm") } else { (&summary.surface_vox, "voxels") };
    for (name, measure) in [
        ("Jaccard".to_owned(), &summary.jaccard),
        (format!("ASSD ({unit})"), &surface.assd),
        (format!("Surface Dice at {SURFACE_TOLERANCE} {unit}"), &surface.surface_dice),
    ] {
        lines.extend(measure_lines(&name, classes, measure));
    }
    lines.push("worst cases first, by mean strict Dice".to_owned());
    for (mean, case) in worst_first.iter().take(MAX_CASES) {
        let strict = |class: &ClassScore| Some((class.strict?.dice, class.class));
        let worst = case.classes.iter().filter_map(strict).min_by(|a, b| a.0.total_cmp(&b.0));
        let name = |class: u8| classes.get(usize::from(class).saturating_sub(1)).map_or("?", String::as_str);
        let worst = worst.map_or_else(String::new, |(dice, class)| format!("  worst: {} {dice:.4}", name(class)));
        let mean = mean.map_or_else(|| "no class in it".to_owned(), |mean| format!("{mean:.4}"));
        lines.push(format!("  {:<18} {mean}{worst}", case.case));
    }
    if worst_first.len() > MAX_CASES {
        lines.push(format!("  and {} better ones; --csv writes all", worst_first.len() - MAX_CASES));
    }
    lines.join("\n")
}

fn measure_lines(name: &str, classes: &[String], measure: &MeasureSummary) -> Vec<String> {
    let figure = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), |value| format!("{value:.4}"));
    let interval = measure.interval.map_or_else(String::new, |(low, high)| format!(" ({low:.4} to {high:.4})"));
    let classes =
        classes.iter().zip(&measure.per_class).zip(&measure.left_out).map(|((class, mean), left_out)| {
            let note = if *left_out > 0 { format!("  ({left_out} left out)") } else { String::new() };
            format!("  {class:<18} {}{note}", figure(*mean))
        });
    std::iter::once(format!("{name} {}{interval}", figure(measure.mean))).chain(classes).collect()
}

/// The columns of surface scores, in voxels and in millimetres.
const SURFACE: [&str; 4] = ["hd", "asd", "assd", "surface_dice"];

/// A line a case and class; what is not known is empty.
pub fn csv(classes: &[String], worst_first: &[(Option<f64>, &CaseScores)]) -> String {
    let mut text = "case,class".to_owned();
    for protocol in ["transunet", "strict"] {
        // Writing to a string can't fail.
        let _ = write!(text, ",{protocol}_dice,{protocol}_hd95_vox,{protocol}_hd95_mm");
    }
    text.push_str(",jaccard");
    for unit in ["vox", "mm"] {
        SURFACE.iter().for_each(|name| {
            let _ = write!(text, ",{name}_{unit}");
        });
    }
    text.push('\n');
    let quoted = |text: &str| format!("\"{}\"", text.replace('"', "\"\""));
    for case in worst_first.iter().map(|(_, case)| case) {
        for (score, name) in case.classes.iter().zip(classes) {
            let numbers: Vec<String> =
                values(score).map(|value| value.map_or_else(String::new, |v| v.to_string())).collect();
            let _ = writeln!(text, "{},{},{}", quoted(&case.case), quoted(name), numbers.join(","));
        }
    }
    text
}

/// The numbers of a line, in the order of its columns.
fn values(score: &ClassScore) -> impl Iterator<Item = Option<f64>> {
    let protocols = [Some(score.transunet), score.strict];
    let protocols = protocols.into_iter().flat_map(|protocol| {
        [protocol.map(|p| p.dice), protocol.map(|p| p.hd95_vox), protocol.and_then(|p| p.hd95_mm)]
    });
    let surface = |surface: Option<SurfaceScore>| {
        [surface.map(|s| s.hd), surface.map(|s| s.asd), surface.map(|s| s.assd), surface.map(|s| s.surface_dice)]
    };
    let surfaces = [surface(score.surface_vox), surface(score.surface_mm)];
    protocols.chain([score.jaccard]).chain(surfaces.into_iter().flatten())
}
