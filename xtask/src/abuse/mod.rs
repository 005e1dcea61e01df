//! `cargo xtask abuse`: campaigns against the built program, as files, disks, users and other processes treat it.
//!
//! Every try has its own random numbers, by seed, campaign and number: what is found once is found again. A finding is kept
//! as a folder with the files that led to it and a line that says how to repeat it.

mod campaigns;
mod fixture;
mod folders;
mod program;
mod random;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use clap::Args;
use serde_json::json;

use crate::product::{Product, say};
use crate::workspace::root;
use campaigns::{ALL, Campaign};
use fixture::Fixture;
use program::Program;
use random::Random;

/// What is tried, and for how long.
#[derive(Args)]
pub struct Abuse {
    /// How long all campaigns take together
    #[arg(long, default_value_t = 10.0, value_name = "N")]
    minutes: f64,
    /// Seed of every random choice
    #[arg(long, default_value_t = 1, value_name = "N")]
    seed: u64,
    /// Only these campaigns
    #[arg(long, value_delimiter = ',', value_name = "NAMES")]
    only: Vec<String>,
    /// Only this try of each campaign, to repeat a finding
    #[arg(long = "try", value_name = "N")]
    number: Option<u64>,
    /// The program [default: compiled from this workspace]
    #[arg(long, value_name = "FILE")]
    program: Option<PathBuf>,
    /// Folder for findings
    #[arg(long, default_value = "target/abuse", value_name = "FOLDER")]
    keep: PathBuf,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// What a try found out.
#[derive(Debug, Default)]
pub struct Outcome {
    /// What was done, in words.
    pub what: String,
    /// What is wrong; none where all is as it should be.
    pub finding: Option<String>,
    /// Files that led to it, for whoever mends it.
    pub evidence: Vec<(String, Vec<u8>)>,
}

/// The result of a campaign.
struct Row {
    name: &'static str,
    tries: u64,
    findings: Vec<String>,
    peak_mib: f64,
    slowest_s: f64,
}

impl Abuse {
    /// Runs the campaigns and prints a table.
    pub fn run(&self) -> Result<()> {
        let chosen: Vec<&Campaign> = ALL
            .iter()
            .filter(|campaign| self.only.is_empty() || self.only.iter().any(|name| name == campaign.name))
            .collect();
        if let Some(unknown) = self.only.iter().find(|name| ALL.iter().all(|campaign| campaign.name != **name)) {
            let known: Vec<&str> = ALL.iter().map(|campaign| campaign.name).collect();
            bail!("there is no campaign {unknown:?}; there are: {}", known.join(", "));
        }
        let binary = Product::new(self.program.as_deref())?.binary().to_owned();
        let scratch = std::env::temp_dir().join(format!("fastersam-abuse-{}", std::process::id()));
        std::fs::create_dir_all(&scratch).with_context(|| scratch.display().to_string())?;
        let rows = self.campaigns(&chosen, &binary, &scratch);
        let _ = std::fs::remove_dir_all(&scratch);
        let rows = rows?;
        report(&rows, self.json);
        match rows.iter().map(|row| row.findings.len()).sum::<usize>() {
            0 => Ok(()),
            n => bail!("{n} findings; see {}", root().join(&self.keep).display()),
        }
    }

    fn campaigns(&self, chosen: &[&Campaign], binary: &Path, scratch: &Path) -> Result<Vec<Row>> {
        let program = Program::new(binary);
        let fixture = Fixture::make(&program, &scratch.join("fixture"))?;
        let share = Duration::from_secs_f64(60.0 * self.minutes / chosen.len().max(1) as f64);
        chosen
            .iter()
            .map(|campaign| self.campaign(campaign, share, &program, &fixture, &scratch.join("try")))
            .collect()
    }

    fn campaign(
        &self,
        campaign: &Campaign,
        share: Duration,
        program: &Program,
        fixture: &Fixture,
        place: &Path,
    ) -> Result<Row> {
        let (name, started) = (campaign.name, Instant::now());
        let mut row = Row { name, tries: 0, findings: Vec::new(), peak_mib: 0.0, slowest_s: 0.0 };
        let first = self.number.unwrap_or(0);
        for number in first.. {
            let _ = std::fs::remove_dir_all(place);
            std::fs::create_dir_all(place).with_context(|| place.display().to_string())?;
            program.forget();
            let mut random = Random::new(self.seed, name, number);
            let outcome = (campaign.attempt)(program, fixture, place, &mut random)?;
            row.tries += 1;
            let (peak_mib, slowest_s) = program.worst();
            (row.peak_mib, row.slowest_s) = (row.peak_mib.max(peak_mib), row.slowest_s.max(slowest_s));
            if let Some(finding) = &outcome.finding {
                row.findings.push(format!("try {number}: {}: {finding}", outcome.what));
                self.keep(name, number, &outcome)?;
            }
            if self.number.is_some() || started.elapsed() >= share {
                break;
            }
        }
        say(&format!("{name}: {} tries, {} findings", row.tries, row.findings.len()));
        Ok(row)
    }

    fn keep(&self, campaign: &str, number: u64, outcome: &Outcome) -> Result<()> {
        let folder = root().join(&self.keep).join(format!("{campaign}-{}-{number}", self.seed));
        std::fs::create_dir_all(&folder).with_context(|| folder.display().to_string())?;
        let finding = outcome.finding.as_deref().unwrap_or_default();
        let repeat = format!("cargo xtask abuse --only {campaign} --seed {} --try {number}", self.seed);
        let text = format!("{}\n{finding}\nRepeat it with: {repeat}\n", outcome.what);
        for (name, bytes) in outcome
            .evidence
            .iter()
            .map(|(name, bytes)| (name.as_str(), bytes.as_slice()))
            .chain([("README", text.as_bytes())])
        {
            std::fs::write(folder.join(name), bytes).with_context(|| folder.join(name).display().to_string())?;
        }
        Ok(())
    }
}

#[allow(clippy::print_stdout, reason = "the result of the command")]
fn report(rows: &[Row], as_json: bool) {
    if as_json {
        let rows: Vec<_> = rows
            .iter()
            .map(|row| {
                json!({
                    "campaign": row.name, "tries": row.tries, "findings": row.findings, "peak_mib": row.peak_mib,
                    "slowest_s": row.slowest_s,
                })
            })
            .collect();
        println!("{}", json!(rows));
        return;
    }
    println!("{:<14}{:>8}{:>10}{:>12}{:>12}", "campaign", "tries", "findings", "peak MiB", "slowest s");
    for row in rows {
        println!(
            "{:<14}{:>8}{:>10}{:>12.0}{:>12.1}",
            row.name,
            row.tries,
            row.findings.len(),
            row.peak_mib,
            row.slowest_s
        );
    }
    for (row, finding) in rows.iter().flat_map(|row| row.findings.iter().map(move |finding| (row, finding))) {
        println!("{}: {finding}", row.name);
    }
}
