//! A suite on a Slurm cluster: one job array of the cells that are open, and a job for the report after it.

use std::fmt::Write as _;
use std::path::Path;

use serde::{Deserialize, Serialize};

/// Folder of the logs of jobs, in that of the suite.
pub const LOGS: &str = "logs";

/// What a job asks the cluster for: `[cluster]` of a suite, or a file of its own.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Cluster {
    /// Partition; empty for the cluster's default.
    pub partition: String,
    /// Time limit of a cell, as Slurm writes it: `08:00:00`. A cell that runs out of it goes on when it is submitted again.
    pub time: String,
    /// GPUs of a cell, as Slurm writes them: `1`, `a100:1`.
    pub gpus: String,
    /// Memory of a cell, as Slurm writes it: `32G`.
    pub memory: String,
    /// Cores of a cell; 0 for the cluster's default.
    pub cpus: usize,
    /// Cells that run at a time, at most; 0 for no limit.
    pub at_most: usize,
    /// More options of `sbatch`, each with its dashes.
    pub options: Vec<String>,
    /// Lines of the job before the program: `module load cuda`.
    pub setup: Vec<String>,
}

/// The script of the job array. `command` runs the program for one cell, but for the cell's number.
#[must_use]
pub fn array_script(name: &str, cluster: &Cluster, folder: &Path, open: &[usize], command: &[String]) -> String {
    let mut array: String = open.iter().map(usize::to_string).collect::<Vec<_>>().join(",");
    if cluster.at_most > 0 {
        _ = write!(array, "%{}", cluster.at_most);
    }
    let log = folder.join(LOGS).join("cell-%a.log");
    let mut script = head(name, cluster);
    for option in [
        format!("--array={array}"),
        format!("--output={}", log.display()),
        "--open-mode=append".to_owned(),
        "--requeue".to_owned(),
        // A cell that is stopped saves where it is.
        "--signal=B:TERM@60".to_owned(),
    ] {
        _ = writeln!(script, "#SBATCH {option}");
    }
    finish(script, cluster, &format!("{} --cell \"$SLURM_ARRAY_TASK_ID\"", quoted(command)))
}

/// The script of the report's job.
#[must_use]
pub fn report_script(name: &str, cluster: &Cluster, folder: &Path, command: &[String]) -> String {
    let mut script = head(&format!("{name}-report"), &Cluster { gpus: String::new(), ..cluster.clone() });
    _ = writeln!(script, "#SBATCH --output={}", folder.join(LOGS).join("report.log").display());
    finish(script, cluster, &quoted(command))
}

fn head(name: &str, cluster: &Cluster) -> String {
    let mut script = format!("#!/bin/bash\n#SBATCH --job-name={name}\n");
    let cpus = if cluster.cpus > 0 { cluster.cpus.to_string() } else { String::new() };
    for (option, value) in [
        ("partition", &cluster.partition),
        ("time", &cluster.time),
        ("gpus", &cluster.gpus),
        ("mem", &cluster.memory),
        ("cpus-per-task", &cpus),
    ] {
        if !value.is_empty() {
            _ = writeln!(script, "#SBATCH --{option}={value}");
        }
    }
    for option in &cluster.options {
        _ = writeln!(script, "#SBATCH {option}");
    }
    script
}

fn finish(mut script: String, cluster: &Cluster, command: &str) -> String {
    script.push_str("set -euo pipefail\n");
    for line in &cluster.setup {
        _ = writeln!(script, "{line}");
    }
    _ = writeln!(script, "exec {command}");
    script
}

/// Words as a shell reads them back.
fn quoted(words: &[String]) -> String {
    let is_plain = |letter: char| letter.is_ascii_alphanumeric() || "-_./=,:+@%".contains(letter);
    let quote = |word: &String| {
        if !word.is_empty() && word.chars().all(is_plain) {
            word.clone()
        } else {
            format!("'{}'", word.replace('\'', r"'\''"))
        }
    };
    words.iter().map(quote).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_script_asks_for_what_the_table_says() {
        let cluster = Cluster {
            partition: "gpu".into(),
            time: "08:00:00".into(),
            gpus: "1".into(),
            memory: "32G".into(),
            cpus: 4,
            at_most: 2,
            options: vec!["--account=imaging".into()],
            setup: vec!["module load cuda".into()],
        };
        let command = ["/bin/fastersam", "reproduce", "--set", "it's=1"].map(str::to_owned);
        let script = array_script("fastersam-paper", &cluster, Path::new("/runs/paper"), &[0, 3], &command);
        let expected = "#!/bin/bash\n#SBATCH --job-name=fastersam-paper\n#SBATCH --partition=gpu\n#SBATCH --time=08:00:00\n\
            #SBATCH --gpus=1\n#SBATCH --mem=32G\n#SBATCH --cpus-per-task=4\n#SBATCH --account=imaging\n\
            #SBATCH --array=0,3%2\n#SBATCH --output=/runs/paper/logs/cell-%a.log\n#SBATCH --open-mode=append\n\
            #SBATCH --requeue\n#SBATCH --signal=B:TERM@60\nset -euo pipefail\nmodule load cuda\n\
            exec /bin/fastersam reproduce --set 'it'\\''s=1' --cell \"$SLURM_ARRAY_TASK_ID\"\n";
        assert_eq!(script, expected);
        let report = report_script("fastersam-paper", &Cluster::default(), Path::new("/runs/paper"), &command);
        assert!(
            report.starts_with("#!/bin/bash\n#SBATCH --job-name=fastersam-paper-report\n#SBATCH --output="),
            "{report}"
        );
    }
}
