//! `fastersam calibrate`

use anyhow::{Result, bail};
use burn::tensor::Device;
use clap::Args;
use fastersam::{Budget, PauseError, ProfileName, Recommendation, checkpoint};
use fastersam_experiments::calibrate;
use fastersam_experiments::provenance::Origin;
use fastersam_experiments::trained_model::TrainedModel;
use fastersam_progress::{self as progress, say};
use fastersam_records::NOTICE;
use serde_json::json;

use super::{Batching, Measured, Printing};
use crate::output::print;

/// What to meet, with what.
#[derive(Debug, Args)]
pub struct CalibrateArgs {
    #[command(flatten)]
    measured: Measured,
    #[command(flatten)]
    batching: Batching,
    #[command(flatten)]
    printing: Printing,
    #[command(flatten)]
    wanted: Wanted,
    /// Note the setting under this name, for `--pause NAME`, and leave the recommended one as it is
    #[arg(long, value_name = "NAME", value_parser = profile_name)]
    profile: Option<ProfileName>,
    /// Print what was found, but leave the checkpoint as it is
    #[arg(long)]
    dry_run: bool,
}

/// The budget: one of these.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
struct Wanted {
    /// At most this share of the encoder's multiply-accumulates without pausing, from 0 to 1
    #[arg(long, value_name = "SHARE")]
    macs_share: Option<f64>,
    /// At least this many slices a second, from network input to logits
    #[arg(long, value_name = "SPEED")]
    slices_per_second: Option<f64>,
    /// At most this much less mean Dice than without pausing
    #[arg(long, value_name = "DICE")]
    dice_loss: Option<f64>,
}

/// Without the beginning that errors of experiment files have.
fn profile_name(text: &str) -> Result<ProfileName, String> {
    text.parse().map_err(|PauseError(reason)| reason)
}

impl Wanted {
    fn budget(&self) -> Result<Budget> {
        let budget = match (self.macs_share, self.slices_per_second, self.dice_loss) {
            (Some(share), None, None) => (Budget::MacsShare(share), share),
            (None, Some(speed), None) => (Budget::SlicesPerSecond(speed), speed),
            (None, None, Some(loss)) => (Budget::DiceLoss(loss), loss),
            _ => bail!("give one of --macs-share, --slices-per-second and --dice-loss"),
        };
        match budget {
            (budget, wanted) if wanted.is_finite() && wanted >= 0.0 => Ok(budget),
            (_, wanted) => bail!("a budget of {wanted} can't be met"),
        }
    }
}

/// Finds the pause threshold that just meets a budget on the calibration cases, and notes it in the checkpoint.
///
/// # Errors
/// Where checkpoint, experiment or data can't be read, or where no threshold meets the budget.
pub fn run(arguments: &CalibrateArgs, device: &Device, origin: &Origin) -> Result<()> {
    let budget = arguments.wanted.budget()?;
    let measured = &arguments.measured;
    if measured.model.is_file() && !arguments.dry_run {
        bail!(
            "{} is a one-file model, and such a file is never changed: calibrate the run that it was exported from, and \
             export it again. With --dry-run the setting is found and only printed",
            measured.model.display()
        );
    }
    let (experiment, data) = measured.read()?;
    let weights = measured.weights.as_deref();
    let trained = TrainedModel::load(&experiment, &data, &measured.model, weights, device, origin)?;
    progress::catch_interrupt()?;
    let points = trained.points();
    if points.is_empty() {
        bail!("the model has no pause points");
    }
    let batch_size = arguments.batching.batch_size;
    let Some(calibrate::Solution { settings, found, never }) =
        calibrate::solve(&trained, &budget, &experiment.measure.pause, batch_size)?
    else {
        bail!("no pause threshold meets {budget:?} on {}; ask for less", data.calibrated_on)
    };
    let (macs_share, change) = (1.0 - found.macs_saved, found.dice - never.dice);
    let recommendation = Recommendation { settings, chosen_on: data.calibrated_on.clone() };
    let keep_largest = match arguments.profile {
        // What the components are noted for is the recommended setting.
        Some(_) => None,
        None => Some(calibrate::keep_largest(&trained, &recommendation.settings, batch_size)?),
    };
    if !arguments.dry_run {
        let folder = checkpoint::resolve(&measured.model)?;
        match &arguments.profile {
            Some(name) => checkpoint::add_profile(&folder, name.clone(), recommendation.clone())?,
            None => {
                checkpoint::recommend(&folder, recommendation.clone(), keep_largest.clone().unwrap_or_default())?;
            }
        }
    }
    if arguments.printing.json {
        let result = json!({
            "notice": NOTICE, "budget": budget, "pause_points": points, "pause": recommendation.settings,
            "macs_share": macs_share, "dice": found.dice, "dice_never": never.dice, "chosen_on": recommendation.chosen_on, "keep_largest": keep_largest,
        });
        print(&result.to_string())?;
        return Ok(());
    }
    print(&format!(
        "{} at the pause points {points:?}: {:.1} % of the encoder's multiply-accumulates, mean Dice {:.4} \
         ({change:+.4} against `never`) on {}",
        recommendation.settings.full_label(points),
        100.0 * macs_share,
        found.dice,
        data.calibrated_on
    ))?;
    if let Some(names) = keep_largest.filter(|names| !names.is_empty()) {
        print(&format!("better where only the largest component is kept: {}", names.join(", ")))?;
    }
    match &arguments.profile {
        _ if arguments.dry_run => {}
        Some(name) => {
            say(&format!("noted in the checkpoint: `--pause {name}` uses the pause setting from now on"))
        }
        None => say(
            "noted in the checkpoint: `segment` uses the pause setting from now on, and the components with --keep-largest",
        ),
    }
    Ok(())
}
