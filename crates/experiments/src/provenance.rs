//! Where a result comes from.

use fastersam::WeightPrecision;
use fastersam_bench::machine;
use fastersam_records::Provenance;

/// The program that makes results, as it was built.
#[derive(Clone, Copy, Debug)]
pub struct Program {
    /// Its version.
    pub version: &'static str,
    /// Commit of the sources that it was built from, with `-dirty` where they differed from it; `unknown` where it
    /// was not built in a checkout.
    pub commit: &'static str,
    /// Version of burn that it was built with.
    pub burn_version: &'static str,
}

/// What all records of a run have in common.
#[derive(Clone, Debug)]
pub struct Origin {
    /// The program.
    pub program: Program,
    /// Device by name.
    pub device: String,
    /// Number of threads.
    pub threads: usize,
    /// Numbers of the prepacked weights of a trained model.
    pub weights: WeightPrecision,
}

impl Origin {
    /// The provenance of one result.
    #[must_use]
    pub fn provenance(
        &self,
        config: serde_json::Value,
        seed: u64,
        data_sha256: &str,
        weights_sha256: Option<String>,
    ) -> Provenance {
        Provenance {
            config,
            seed,
            data_manifest_sha256: data_sha256.to_owned(),
            weights_sha256,
            backbone_sha256: None,
            decoder_sha256: None,
            commit: self.program.commit.to_owned(),
            version: self.program.version.to_owned(),
            burn_version: self.program.burn_version.to_owned(),
            device: self.device.clone(),
            threads: self.threads,
            cpu: machine::cpu(),
            date: now(),
        }
    }
}

/// Now, RFC 3339 in UTC.
pub(crate) fn now() -> String {
    jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}
