//! `fastersam benchmark`

use anyhow::Result;
use burn::tensor::Device;
use clap::Args;

use super::{Measured, PauseChoice, with_notice};
use crate::output::print;
use fastersam::PauseSettings;
use fastersam_experiments::provenance::Origin;
use fastersam_experiments::throughput;
use fastersam_experiments::trained_model::TrainedModel;
use fastersam_progress::{self as progress, say};
use fastersam_records::NOTICE;
use fastersam_records::{Scope, write_record};

/// What to time.
#[derive(Debug, Args)]
pub struct BenchmarkArgs {
    #[command(flatten)]
    measured: Measured,
    /// A pause setting to time beside `never`; may be given several times, and is written as for `segment`
    /// [default: 0.02, then 0.1, then 0.4]
    #[arg(long, value_name = "SETTING")]
    pause: Vec<PauseChoice>,
    /// Timed rounds; in each every setting has its turn
    #[arg(long, default_value_t = 7, value_name = "N")]
    runs: usize,
}

/// Times a checkpoint, writes the records and prints the times.
///
/// # Errors
/// Where checkpoint, experiment or data can't be read, or don't fit each other.
pub fn run(arguments: &BenchmarkArgs, device: &Device, origin: &Origin) -> Result<()> {
    let measured = &arguments.measured;
    let (experiment, data) = measured.read()?;
    let weights = measured.weights.as_deref();
    let subject = TrainedModel::load(&experiment, &data, &measured.model, weights, device, origin)?;
    progress::catch_interrupt()?;
    let given: Vec<PauseSettings> = match &arguments.pause[..] {
        [] => [0.02, 0.1, 0.4].map(|threshold| PauseSettings::threshold([threshold])).into(),
        given => given.iter().map(|choice| choice.settings(subject.recommended.as_ref())).collect::<Result<_>>()?,
    };
    let never = PauseSettings::never();
    let settings: Vec<&PauseSettings> = std::iter::once(&never).chain(&given).collect();
    let (batch, scope) = (measured.batch_size, Scope::NetworkInputToLogits);
    let timings = throughput::measure(&subject, &settings, batch, arguments.runs.max(1), scope)?;
    let never_ms = timings[0].quantile(0.5);
    let folder = measured.records()?;
    for (setting, timing) in settings.into_iter().zip(&timings) {
        let record = subject.throughput(timing, subject.pause(setting, None), batch, scope, never_ms);
        let path = write_record(&folder, &record.clone().into())?;
        if measured.json {
            print(&with_notice(&record, &path)?);
        } else {
            print(&format!(
                "{:<20} {:8.2} ms a slice ({:.2} to {:.2})  {:8.1} slices/s  {:5.2}x",
                setting.label(subject.points()),
                record.ms_per_slice_median,
                record.ms_per_slice_p10,
                record.ms_per_slice_p90,
                record.slices_per_s,
                record.speed_up_over_never
            ));
        }
    }
    if !measured.json {
        print(&format!("{scope}, batch {batch}; median, and 10th to 90th percentile. {NOTICE}"));
        say(&format!("records: {}", folder.display()));
    }
    Ok(())
}
