//! The one place that turns a device's name into a device.

use anyhow::{Context, Result, bail};
use burn::tensor::Device;

/// The devices that `--device` knows.
pub const NAMES: &str = "flex, cuda, cuda:N, libtorch, libtorch:N (a GPU)";

/// More have no use for these models, and may not start.
const MAX_THREADS: usize = 1024;

/// Opens `flex`, `cuda`, `cuda:1`, `libtorch` or `libtorch:0`.
///
/// # Errors
/// Where the name is unknown or its backend was not compiled in; the message says how.
pub fn open(name: &str) -> Result<Device> {
    let (kind, index) = match name.split_once(':') {
        Some((kind, index)) => {
            let index: usize =
                index.parse().with_context(|| format!("{name:?}: {index:?} is no device number"))?;
            (kind, Some(index))
        }
        None => (name, None),
    };
    match (kind, index) {
        #[cfg(feature = "flex")]
        ("flex", None) => Ok(Device::flex()),
        #[cfg(feature = "cuda")]
        ("cuda", index) => Ok(Device::cuda(index.unwrap_or(0))),
        #[cfg(feature = "tch")]
        #[allow(deprecated, reason = "burn 0.22 is pinned for this backend")]
        ("libtorch", None) => Ok(Device::libtorch()),
        #[cfg(feature = "tch")]
        #[allow(deprecated, reason = "burn 0.22 is pinned for this backend")]
        ("libtorch", Some(index)) => Ok(Device::libtorch_cuda(index)),
        ("flex" | "cuda" | "libtorch", _) => {
            let feature = if kind == "libtorch" { "tch" } else { kind };
            bail!(
                "this build has no support for the device {name:?}; compile it in with \
                 `cargo build --release -p fastersam-cli --features {feature}`"
            )
        }
        _ => bail!("there is no device {name:?}; there are: {NAMES}"),
    }
}

/// Sets the number of threads of everything that runs on the CPU. Call it once, first.
///
/// # Errors
/// Where threads are running already.
pub fn set_threads(threads: Option<usize>) -> Result<usize> {
    if let Some(threads) = threads {
        if !(1..=MAX_THREADS).contains(&threads) {
            bail!("{threads} threads can't be started; 1 to {MAX_THREADS} are possible");
        }
        rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .build_global()
            .context("the number of threads can be set only once")?;
    }
    Ok(rayon::current_num_threads())
}
