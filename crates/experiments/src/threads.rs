//! How many threads compute.

use anyhow::{Context, Result, bail};

/// More have no use for these models, and may not start.
const MAX_THREADS: usize = 1024;

/// Sets the number of threads of everything that runs on the CPU. Call it once, first.
///
/// # Errors
/// Where threads are running already.
pub fn set(threads: Option<usize>) -> Result<usize> {
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
