//! Times of things that are compared: they take turns, so that whatever else the machine does falls on all of them.

use std::time::Instant;

use fastersam_progress as progress;
use fastersam_records::quantile;

/// Times of one of them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Timing {
    /// Seconds of a pass, one value a round.
    pub seconds: Vec<f64>,
}

impl Timing {
    /// A quantile of the rounds, seconds; NaN without rounds.
    #[must_use]
    pub fn quantile(&self, share: f64) -> f64 {
        quantile(&self.seconds, share)
    }
}

/// Rounds, and what the progress bar says.
#[derive(Clone, Copy, Debug)]
pub struct Rounds<'a> {
    /// Rounds that count.
    pub timed: usize,
    /// Rounds before them that don't: the first pass allocates and fills the caches.
    pub warm_up: usize,
    /// What is being timed.
    pub title: &'a str,
}

/// Visits each of `n` things once a round, always in the same order. `visit` gets the index and whether the round
/// counts, and gives the seconds of a pass.
///
/// # Errors
/// Those of `visit`; `interrupted` where the user asks to stop.
pub fn take_turns(
    n: usize,
    rounds: Rounds<'_>,
    mut visit: impl FnMut(usize, bool) -> anyhow::Result<f64>,
) -> anyhow::Result<Vec<Timing>> {
    let mut timings = vec![Timing::default(); n];
    let bar = progress::bar(rounds.title, (rounds.warm_up + rounds.timed) * n, "passes");
    for round in 0..rounds.warm_up + rounds.timed {
        let counts = round >= rounds.warm_up;
        for (index, timing) in timings.iter_mut().enumerate() {
            if progress::interrupted() {
                anyhow::bail!("interrupted");
            }
            let seconds = visit(index, counts)?;
            if counts {
                timing.seconds.push(seconds);
            }
            bar.inc(1);
        }
    }
    bar.finish_and_clear();
    Ok(timings)
}

/// The result of `work` and its seconds.
pub fn timed<T>(work: impl FnOnce() -> T) -> (T, f64) {
    let started = Instant::now();
    let result = work();
    (result, started.elapsed().as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_take_turns_and_the_warm_up_does_not_count() {
        let mut visits = Vec::new();
        let rounds = Rounds { timed: 2, warm_up: 1, title: "test" };
        let timings = take_turns(2, rounds, |index, counts| {
            visits.push((index, counts));
            Ok(visits.len() as f64)
        });
        assert_eq!(visits, [(0, false), (1, false), (0, true), (1, true), (0, true), (1, true)]);
        let seconds: Vec<Vec<f64>> =
            timings.unwrap_or_default().into_iter().map(|timing| timing.seconds).collect();
        assert_eq!(seconds, [[3.0, 5.0], [4.0, 6.0]]);
    }
}
