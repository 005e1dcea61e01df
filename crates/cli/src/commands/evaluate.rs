//! `fastersam evaluate`

use anyhow::Result;
use burn::tensor::Device;
use clap::Args;

use super::{Batching, Measured, Pausing, Printing, count, with_notice};
use crate::output::print;
use fastersam_experiments::provenance::Origin;
use fastersam_experiments::trained_model::TrainedModel;
use fastersam_metrics::Summary;
use fastersam_progress::{self as progress, say};
use fastersam_records::NOTICE;
use fastersam_records::{EvaluationRecord, write_record};

/// What to score.
#[derive(Debug, Args)]
pub struct EvaluateArgs {
    #[command(flatten)]
    measured: Measured,
    #[command(flatten)]
    batching: Batching,
    #[command(flatten)]
    printing: Printing,
    #[command(flatten)]
    pausing: Pausing,
}

/// Scores a checkpoint, writes the record and prints the scores.
///
/// # Errors
/// Where checkpoint, experiment or data can't be read, or don't fit each other.
pub fn run(arguments: &EvaluateArgs, device: &Device, origin: &Origin) -> Result<()> {
    let measured = &arguments.measured;
    let (experiment, data) = measured.read()?;
    let weights = measured.weights.as_deref();
    let trained = TrainedModel::load(&experiment, &data, &measured.model, weights, device, origin)?;
    progress::catch_interrupt()?;
    let settings = arguments.pausing.settings(trained.recommended.as_ref(), &trained.pause_profiles)?;
    let found = trained.evaluate(&data.evaluate, &settings, arguments.batching.batch_size, "scoring")?;
    // What is recommended was chosen on other cases than these; the record says on which.
    let recommended = trained.recommended.as_ref().filter(|found| found.settings == settings);
    let pause = trained.pause(&settings, recommended.map(|found| found.chosen_on.clone()));
    let record = trained.evaluation(found, pause);
    let path = write_record(&measured.records()?, &record.clone().into())?;
    if arguments.printing.json {
        print(&with_notice(&record, &path)?)?;
    } else {
        print(&text(&record))?;
        say(&format!("record: {}", path.display()));
    }
    Ok(())
}

/// The scores under both protocols.
fn text(record: &EvaluationRecord) -> String {
    let mut lines = vec![format!(
        "{} on {}, {} split, {}, pausing: {}",
        record.method,
        record.dataset,
        record.split,
        count(record.summary.n_cases, "volume"),
        record.pause.settings.full_label(&record.pause.pause_points)
    )];
    lines.extend(protocol_lines(&record.class_names, &record.summary));
    if let Some(note) = &record.dataset_note {
        lines.push(format!("Note: {note}."));
    }
    lines.push(NOTICE.to_owned());
    lines.join("\n")
}

/// Dice and HD95 under both protocols, of all classes and of each.
pub fn protocol_lines(class_names: &[String], summary: &Summary) -> Vec<String> {
    let figure = |value: Option<f64>, decimals: usize| value.map_or("-".to_owned(), |v| format!("{v:.decimals$}"));
    let mut lines = Vec::new();
    for (name, protocol) in [("transunet", &summary.transunet), ("strict", &summary.strict)] {
        let mm = protocol.hd95_mm.map_or_else(String::new, |mm| format!(", {mm:.2} mm"));
        let interval = protocol.dice_interval;
        let interval = interval.map_or_else(String::new, |(low, high)| format!(" ({low:.4} to {high:.4})"));
        lines.push(format!(
            "{name:<10} Dice {}{interval}  HD95 {} voxels{mm}",
            figure(protocol.dice, 4),
            figure(protocol.hd95_vox, 2)
        ));
        for (i, class) in class_names.iter().enumerate() {
            let (dice, hd95) = (protocol.per_class_dice[i], protocol.per_class_hd95_vox[i]);
            let left_out = protocol.left_out[i];
            let note =
                if left_out > 0 { format!("  ({} left out)", count(left_out, "case")) } else { String::new() };
            lines.push(format!("  {class:<18} {}  {}{note}", figure(dice, 4), figure(hd95, 2)));
        }
    }
    lines
}
