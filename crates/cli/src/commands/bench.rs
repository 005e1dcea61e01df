//! `fastersam bench`

use std::path::PathBuf;

use anyhow::{Result, bail};
use burn::tensor::Device;
use clap::Args;
use fastersam::{PauseSettings, WeightPrecision};
use fastersam_bench as bench;
use fastersam_device::Precision;
use fastersam_experiments::agreement::{self, Agreement};
use fastersam_experiments::provenance::Origin;
use fastersam_experiments::throughput::{self, Contender};
use fastersam_experiments::trained_model::TrainedModel;
use fastersam_files::OutputError;
use fastersam_kernels::are_fused_on;
use fastersam_progress::{self as progress, say};
use fastersam_records::{NOTICE, Scope, has_records, write_record};
use fastersam_report as report;

use super::{Batching, Measured, PauseChoice, Printing, published_folder, with_notice};

use crate::output::print;

/// What the bench measures: models whose weights are drawn, at all sizes, or (with --model) one checkpoint.
#[derive(Debug, Args)]
pub struct BenchArgs {
    /// Time this trained model: a one-file model, or the folder of a run or of its checkpoint
    #[arg(long, short, value_name = "PATH", requires = "config")]
    model: Option<PathBuf>,
    /// With --model: the experiment file that names the data
    #[arg(long, short, value_name = "FILE", requires = "model")]
    config: Option<PathBuf>,
    /// With --model: folder that real data sets lie in
    #[arg(long, value_name = "FOLDER", requires = "model")]
    data: Option<PathBuf>,
    /// With --model: the backbone's weight file, or the folder of all weight files
    #[arg(long, value_name = "PATH", requires = "model")]
    weights: Option<PathBuf>,
    /// With --model: override a value of the experiment file
    #[arg(long = "set", value_name = "KEY=VALUE", requires = "model")]
    overrides: Vec<String>,
    /// With --model: folder for records [default: the run's own, RUN/records; beside a one-file model, `records`]
    #[arg(long, value_name = "FOLDER", requires = "model")]
    records: Option<PathBuf>,
    /// With --model: a pause setting to time beside `never`; may be given several times, and is written as for
    /// `segment` [default: 0.02, then 0.1, then 0.4]
    #[arg(long, value_name = "SETTING", requires = "model")]
    pause: Vec<PauseChoice>,
    /// With --model: another device, in f32 and in turns with --device: are its results the same, and how fast is it?
    /// With --precision, how near do fewer bits come?
    #[arg(long, value_name = "NAME", requires = "model")]
    against: Option<String>,
    /// A Python with torch and segment-anything: PyTorch's rows are interleaved with ours
    #[arg(long, value_name = "PYTHON")]
    peer: Option<PathBuf>,
    /// Only rows whose name contains one of these; `targets` and `waterfall` stand for the rows of these
    /// tables, `end_to_end` for the time from a scan's file to the file of its label map
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
    /// Slices at a time, in place of 1 and 8 [default on a GPU: 1,2,4,8,16,32,64]
    #[arg(long, value_name = "N,N,...", value_delimiter = ',', conflicts_with = "model")]
    batch_sizes: Vec<usize>,
    /// Rounds; each visits every row [default: 11, with --quick 3, with --model 7]
    #[arg(long)]
    rounds: Option<usize>,
    /// Few rounds
    #[arg(long)]
    quick: bool,
    /// Also the rows of more than 500e9 multiply-accumulates a pass
    #[arg(long)]
    all: bool,
    /// Leave out peak memory, which takes a process of its own for each row
    #[arg(long)]
    no_memory: bool,
    /// Folder of a suite's run: its checkpoints' scores stand beside rows that pause alike
    #[arg(long, value_name = "RUN")]
    dice_from: Option<PathBuf>,
    /// Folder for the record and the report
    #[arg(long, short, default_value = "runs/bench")]
    output: PathBuf,
    /// Also copy the report's Markdown page and the plots that it shows to this folder, for instance
    /// docs/results
    #[arg(long, value_name = "FOLDER")]
    page: Option<PathBuf>,
    /// Replace the record, report and page of an earlier bench
    #[arg(long)]
    overwrite: bool,
    #[command(flatten)]
    batching: Batching,
    #[command(flatten)]
    printing: Printing,
    /// Folder with published results [default: configs/published if that is here, else those built into the program]
    #[arg(long, value_name = "FOLDER")]
    published: Option<PathBuf>,
    /// Print the peak memory of one row
    #[arg(long, hide = true)]
    memory_of: Option<String>,
    /// Run one of the cases whose instructions are counted
    #[arg(long, hide = true)]
    instructions_of: Option<String>,
    /// Passes of that case
    #[arg(long, hide = true, default_value_t = 1)]
    passes: u64,
}

impl BenchArgs {
    /// The checkpoint to time, and on what; none where models with drawn weights are timed.
    fn measured(&self) -> Option<Measured> {
        Some(Measured {
            model: self.model.clone()?,
            config: self.config.clone()?,
            data: self.data.clone(),
            weights: self.weights.clone(),
            overrides: self.overrides.clone(),
            records: self.records.clone(),
        })
    }

    fn rounds(&self) -> usize {
        let usual = match (self.quick, &self.model) {
            (true, _) => 3,
            (false, Some(_)) => 7,
            (false, None) => 11,
        };
        self.rounds.unwrap_or(usual).max(1)
    }

    /// Slices at a time; none for the usual ones.
    fn batch_sizes(&self, device: &Device) -> Result<Vec<usize>> {
        if self.batch_sizes.contains(&0) {
            bail!("--batch-sizes: a batch has one slice or more");
        }
        if self.batch_sizes.is_empty() && !are_fused_on(device) {
            return Ok(vec![1, 2, 4, 8, 16, 32, 64]);
        }
        Ok(self.batch_sizes.clone())
    }

    /// Refuses to replace an earlier bench unasked, before the work.
    fn check_output(&self) -> Result<()> {
        let records = self.output.join("records");
        let earlier = has_records(&records, bench::EXPERIMENT).then_some(records);
        let page = self.page.as_ref().map(|folder| folder.join(report::BENCH_PAGE)).filter(|page| page.exists());
        match earlier.or(page) {
            Some(path) if !self.overwrite => Err(OutputError::Exists { path }.into()),
            _ => Ok(()),
        }
    }

    /// Whether it is one of the cases whose instructions are counted. It sets up a single thread for everything,
    /// which can be done once only, so nothing else must have started.
    pub fn runs_alone(&self) -> bool {
        self.instructions_of.is_some()
    }

    /// Runs that case.
    ///
    /// # Errors
    /// Where there is no such case.
    pub fn run_alone(&self) -> Result<()> {
        bench::instructions::run_case(self.instructions_of.as_deref().unwrap_or_default(), self.passes)
    }
}

/// Runs the bench, writes record and report, and prints the times.
///
/// # Errors
/// Where no row matches, the peer fails or a file can't be written.
pub fn run(arguments: &BenchArgs, device: &Device, origin: &Origin) -> Result<()> {
    if let Some(measured) = arguments.measured() {
        return of_checkpoint(&measured, arguments, device, origin);
    }
    if let Some(id) = &arguments.memory_of {
        print(&bench::memory_of(id, device)?.map_or_else(String::new, |mib| format!("{mib:.1}")))?;
        return Ok(());
    }
    arguments.check_output()?;
    let options = bench::Options {
        only: arguments.only.clone(),
        peer: arguments.peer.clone(),
        batch_sizes: arguments.batch_sizes(device)?,
        rounds: arguments.rounds(),
        all: arguments.all,
        // The peak of this process is not that of a GPU.
        memory: !arguments.no_memory && are_fused_on(device),
        dice_from: arguments.dice_from.clone(),
        output: arguments.output.clone(),
    };
    let record = bench::run(&options, device, origin.provenance(serde_json::Value::Null, 1, "none", None))?;
    let output = &arguments.output;
    let published = published_folder(arguments.published.as_deref());
    let index = report::build(&output.join("records"), published.as_deref(), &output.join("report"))?;
    if let Some(folder) = &arguments.page {
        report::copy_bench_page(&output.join("report"), folder)?;
    }
    if arguments.printing.json {
        print(&serde_json::to_string(&record)?)?;
    } else {
        print(&report::bench_summary(&record))?;
        print(&index.display().to_string())?;
    }
    Ok(())
}

/// Times a checkpoint, writes the records and prints the times; on two devices, also says whether they agree.
///
/// # Errors
/// Where checkpoint, experiment or data can't be read, or don't fit each other, and where two devices don't agree.
fn of_checkpoint(measured: &Measured, arguments: &BenchArgs, device: &Device, origin: &Origin) -> Result<()> {
    let (experiment, data) = measured.read()?;
    let load = |device: &Device, origin: &Origin| {
        let weights = measured.weights.as_deref();
        TrainedModel::load(&experiment, &data, &measured.model, weights, device, origin)
    };
    let trained = load(device, origin)?;
    let other = arguments.against.as_deref().map(|name| -> Result<TrainedModel<'_>> {
        let other = fastersam_device::open(name)?;
        let described = fastersam_device::described(name, &other, Precision::F32);
        load(&other, &Origin { device: described, weights: WeightPrecision::F32, ..origin.clone() })
    });
    let other = other.transpose()?;
    progress::catch_interrupt()?;
    let given: Vec<PauseSettings> = match &arguments.pause[..] {
        [] => [0.02, 0.1, 0.4].map(|threshold| PauseSettings::threshold([threshold])).into(),
        given => {
            let (recommended, profiles) = (trained.recommended.as_ref(), &trained.pause_profiles);
            given.iter().map(|choice| choice.settings(recommended, profiles)).collect::<Result<_>>()?
        }
    };
    let settings: Vec<PauseSettings> = std::iter::once(PauseSettings::never()).chain(given).collect();
    let (batch, scope) = (arguments.batching.batch_size, Scope::NetworkInputToLogits);
    let mut disagreeing = Vec::new();
    for (setting, other) in settings.iter().flat_map(|setting| other.iter().map(move |other| (setting, other))) {
        let agreement = agreement::compare(other, &trained, setting, batch)?;
        let label = setting.full_label(trained.points());
        print(&said(&agreement, &label, origin.weights, arguments)?)?;
        // Fewer bits can't give the same; how near they come is what was asked.
        let is_wrong = origin.weights == WeightPrecision::F32 && !agreement.holds();
        disagreeing.extend(is_wrong.then_some(label));
    }
    let on = |trained| settings.iter().map(move |settings| Contender { trained, settings });
    let contenders: Vec<Contender<'_>> = on(&trained).chain(other.iter().flat_map(on)).collect();
    let timings = throughput::take_turns_on(&contenders, batch, arguments.rounds(), scope)?;
    let folder = measured.records()?;
    let turns: Vec<_> = contenders.into_iter().zip(&timings).collect();
    for of_device in turns.chunks(settings.len()) {
        let never_ms = of_device[0].1.ms_per_slice(0.5);
        for (Contender { trained, settings }, timing) in of_device {
            let record = trained.throughput(timing, trained.pause(settings, None), batch, scope, never_ms);
            let path = write_record(&folder, &record.clone().into())?;
            if arguments.printing.json {
                print(&with_notice(&record, &path)?)?;
                continue;
            }
            let device = other.as_ref().map_or("", |_| trained.provenance.device.as_str());
            print(&format!(
                "{:<20} {:8.2} ms/slice ({:.2} to {:.2})  {:8.1} slices/s  {:5.2}x  {device}",
                settings.full_label(trained.points()),
                record.ms_per_slice_median,
                record.ms_per_slice_p10,
                record.ms_per_slice_p90,
                record.slices_per_s,
                record.speed_up_over_never
            ))?;
        }
    }
    if !arguments.printing.json {
        print(&format!("{scope}, batch {batch}; median, and 10th to 90th percentile. {NOTICE}"))?;
        say(&format!("records: {}", folder.display()));
    }
    if !disagreeing.is_empty() {
        bail!("the two devices don't agree: {}", disagreeing.join(", "));
    }
    Ok(())
}

/// How far two devices agree at a setting, in words or as JSON.
fn said(agreement: &Agreement, setting: &str, weights: WeightPrecision, arguments: &BenchArgs) -> Result<String> {
    if arguments.printing.json {
        return Ok(serde_json::json!({ "setting": setting, "holds": agreement.holds(), "agreement": agreement })
            .to_string());
    }
    let Agreement { slices, slices_set_apart, decisions, decisions_differing, decisions_differing_near, .. } =
        agreement;
    Ok(format!(
        "{setting:<20} {} in {slices} slices: logits differ by {:.1e} of the largest; {decisions_differing} of {decisions} \
         decisions differ, {decisions_differing_near} of them within 1e-4 of what decides ({slices_set_apart} slices); \
         cosines of the encoder's tokens {:.5} or more, {:.5} on average; {} read-backs a pass, {} different numbers of rows",
        match weights {
            WeightPrecision::F32 if agreement.holds() => "agrees".to_owned(),
            WeightPrecision::F32 => "DOES NOT AGREE".to_owned(),
            narrow => format!("{narrow} against f32"),
        },
        agreement.logits_difference / agreement.logits_largest.max(f32::MIN_POSITIVE),
        agreement.least_token_cosine,
        agreement.mean_token_cosine,
        agreement.read_backs,
        agreement.shapes,
    ))
}
