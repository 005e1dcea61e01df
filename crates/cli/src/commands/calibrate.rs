//! `fastersam calibrate`

use anyhow::{Result, bail};
use burn::tensor::Device;
use clap::Args;
use fastersam::{Budget, Outcome, checkpoint};
use fastersam_metrics::summarise;
use fastersam_pausing_encoder::{PausePolicy, PauseSettings};
use serde_json::json;

use super::Measured;
use crate::output::print;
use fastersam_experiments::evaluate::Evaluation;
use fastersam_experiments::pause::Setting;
use fastersam_experiments::provenance::Origin;
use fastersam_experiments::throughput;
use fastersam_experiments::trained_model::TrainedModel;
use fastersam_progress::{self as progress, say};
use fastersam_records::NOTICE;
use fastersam_records::Scope;

/// Rounds in which a threshold is timed.
const RUNS: usize = 3;

/// What to meet, with what.
#[derive(Debug, Args)]
pub struct CalibrateArgs {
    #[command(flatten)]
    measured: Measured,
    #[command(flatten)]
    wanted: Wanted,
    /// Print what was found, but leave the checkpoint's recommendation as it is
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
    let (experiment, data) = measured.read()?;
    let weights = measured.weights.as_deref();
    let subject = TrainedModel::load(&experiment, &data, &measured.model, weights, device, origin)?;
    progress::catch_interrupt()?;
    let points = subject.points();
    if points.is_empty() {
        bail!("the model has no pause points");
    }
    let score = |setting: &Setting| subject.evaluate(&data.calibrate, setting, measured.batch_size, "calibrating");
    let never = score(&Setting::never(points))?;
    let outcome = |found: &Evaluation| Outcome {
        macs_share: 1.0 - subject.cost(&found.tokens).encoder_macs_saved,
        dice_loss: dice(&never) - dice(found),
        ..Outcome::default()
    };
    let tau = budget.solve(points.len(), |settings| {
        let setting = named(settings, points);
        if matches!(budget, Budget::SlicesPerSecond(_)) {
            let scope = Scope::NetworkInputToLogits;
            let timing = throughput::measure(&subject, &[&setting], measured.batch_size, RUNS, scope)?;
            let slices_per_second = 1e3 / timing[0].quantile(0.5);
            return Ok(Outcome { slices_per_second, ..Outcome::default() });
        }
        anyhow::Ok(outcome(&score(&setting)?))
    })?;
    let Some(tau) = tau else {
        bail!("no pause threshold meets {budget:?} on {}; ask for less", data.calibrated_on)
    };
    let tau = vec![tau; points.len()];
    let setting = Setting::thresholds(&tau, points);
    let found = score(&setting)?;
    let Outcome { macs_share, dice_loss, .. } = outcome(&found);
    if !arguments.dry_run {
        checkpoint::recommend(&checkpoint::resolve(&measured.model)?, Some(tau.clone()))?;
    }
    if measured.json {
        let result = json!({
            "notice": NOTICE, "budget": budget, "pause_points": points, "thresholds": tau, "macs_share": macs_share,
            "dice": dice(&found), "dice_never": dice(&never), "cases": data.calibrated_on,
        });
        print(&result.to_string());
        return Ok(());
    }
    print(&format!(
        "{} at the pause points {points:?}: {:.1} % of the encoder's multiply-accumulates, mean Dice {:.4} \
         ({dice_loss:+.4} lost) on {}",
        setting.name(),
        100.0 * macs_share,
        dice(&found),
        data.calibrated_on
    ));
    if !arguments.dry_run {
        say("noted in the checkpoint: --pause-threshold recommended");
    }
    Ok(())
}

fn named(settings: &PauseSettings, points: &[usize]) -> Setting {
    match &settings.policy {
        PausePolicy::Threshold { tau } => Setting::thresholds(tau, points),
        PausePolicy::Never | PausePolicy::KeepRatio { .. } => Setting::never(points),
    }
}

/// Mean Dice; nothing was scored where no case has any class.
fn dice(found: &Evaluation) -> f64 {
    summarise(&found.cases).transunet.dice.unwrap_or(0.0)
}
