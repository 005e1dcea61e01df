//! Which tokens of one image stay active, from the logits that a pause head gave them.

use crate::settings::{Criterion, PausePolicy, PauseSettings};

/// The class probabilities of one token's logits, in f64.
fn probabilities(logits: &[f32]) -> Vec<f64> {
    let largest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let powers: Vec<f64> = logits.iter().map(|&l| f64::from(l - largest).exp()).collect();
    let sum: f64 = powers.iter().sum();
    powers.into_iter().map(|p| p / sum).collect()
}

/// The criterion of one token. High is hard.
fn hardness(criterion: Criterion, logits: &[f32], place: u32, point: usize) -> f32 {
    let p = probabilities(logits);
    let mut sorted = p.clone();
    sorted.sort_by(|a, b| b.total_cmp(a));
    let value = match criterion {
        Criterion::Entropy => {
            let entropy: f64 = p.iter().filter(|&&p| p > 0.0).map(|p| -p * p.ln()).sum();
            entropy / (p.len() as f64).ln()
        }
        Criterion::MaxProbability => 1.0 - sorted[0],
        Criterion::Margin => 1.0 - (sorted[0] - sorted.get(1).copied().unwrap_or(0.0)),
        Criterion::Random { seed } => uniform(seed, u64::from(place), point as u64),
        // Given by the caller, see `criteria`.
        Criterion::Oracle => 1.0,
    };
    value as f32
}

/// A uniform number in [0, 1) for a place and a point: the finaliser of SplitMix64.
fn uniform(seed: u64, place: u64, point: u64) -> f64 {
    let mut z = seed
        .wrapping_add(place.wrapping_mul(0x9e37_79b9_7f4a_7c15))
        .wrapping_add(point.wrapping_mul(0xd1b5_4a32_d192_ed03));
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    ((z ^ (z >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
}

/// How hard each scored token is: the criterion of the settings.
///
/// # Shapes
/// - logits: `[scored, n_classes]`, row after row
/// - rows: `image * n_tokens + place` of each scored token
/// - point: 0 is stage 0, `k` is after block `k` (1-based); the random criterion draws anew at each
#[must_use]
pub fn criteria(
    settings: &PauseSettings,
    logits: &[f32],
    rows: &[u32],
    n_tokens: usize,
    point: usize,
) -> Vec<f32> {
    if let (Criterion::Oracle, Some(values)) = (settings.criterion, &settings.oracle) {
        return rows.iter().map(|&row| values.get(row as usize).copied().unwrap_or(1.0)).collect();
    }
    let n_classes = logits.len() / rows.len().max(1);
    rows.iter()
        .zip(logits.chunks_exact(n_classes.max(1)))
        .map(|(&row, logits)| hardness(settings.criterion, logits, row % n_tokens.max(1) as u32, point))
        .collect()
}

/// Which of one image's scored tokens stay active at the pause point with index `point`.
///
/// `criterion` and `logits` (one row a token) are in ascending order of the grid index.
#[must_use]
pub fn keep(settings: &PauseSettings, point: usize, criterion: &[f32], logits: &[f32]) -> Vec<bool> {
    let n = criterion.len();
    let Some(value) = settings.value_at(point).filter(|_| settings.can_pause_at(point) && n > 0) else {
        return vec![true; n];
    };
    let mut by_hardness: Vec<usize> = (0..n).collect();
    // A stable sort: ties stay in the order of the grid.
    by_hardness.sort_by(|&a, &b| criterion[b].total_cmp(&criterion[a]));
    let mut keep = match &settings.policy {
        PausePolicy::Never => vec![true; n],
        // A criterion that is not a number is as hard as can be: it must not pause.
        PausePolicy::Threshold(_) => {
            // As wide as the criterion: the threshold that a user writes is the nearest such number.
            let threshold = value as f32;
            criterion.iter().map(|hardness| hardness.is_nan() || *hardness >= threshold).collect()
        }
        PausePolicy::KeepRatio(_) => {
            let wanted = (value * n as f64).ceil() as usize;
            let mut keep = vec![false; n];
            for &token in by_hardness.iter().take(wanted) {
                keep[token] = true;
            }
            keep
        }
    };
    if settings.keep_per_class > 0 {
        keep_confident(&mut keep, settings.keep_per_class, logits);
    }
    let mut active = keep.iter().filter(|&&kept| kept).count();
    for &token in &by_hardness {
        if active >= settings.min_active {
            break;
        }
        if !keep[token] {
            keep[token] = true;
            active += 1;
        }
    }
    keep
}

/// Keeps the `k` most confident tokens of each predicted class, as DToP does. Confidence is the
/// probability of the class, whatever the criterion; ties go to the lower grid index.
fn keep_confident(keep: &mut [bool], k: usize, logits: &[f32]) {
    let n_classes = logits.len() / keep.len().max(1);
    // (class, confidence) of each token
    let predicted: Vec<(usize, f64)> = logits
        .chunks_exact(n_classes.max(1))
        .map(|logits| {
            let probabilities = probabilities(logits);
            (0..n_classes).zip(probabilities).fold(
                (0, -1.0),
                |best, (class, p)| {
                    if p > best.1 { (class, p) } else { best }
                },
            )
        })
        .collect();
    for class in 0..n_classes {
        let mut members: Vec<usize> = (0..predicted.len()).filter(|&i| predicted[i].0 == class).collect();
        members.sort_by(|&a, &b| predicted[b].1.total_cmp(&predicted[a].1));
        for &token in members.iter().take(k) {
            keep[token] = true;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ratio_counts_in_f64_and_breaks_ties_to_the_lower_index() {
        let settings = PauseSettings::keep_ratio([0.5]);
        assert_eq!(keep(&settings, 0, &[0.3, 0.3, 0.3, 0.3, 0.3], &[0.0; 10]), [true, true, true, false, false]);
        // 0.29 * 100 is 28.999999999999996 in f64: 29 stay, as the reference has it.
        let settings = PauseSettings::keep_ratio([0.29]);
        let kept = keep(&settings, 0, &[0.5; 100], &[0.0; 200]);
        assert_eq!(kept.iter().filter(|&&k| k).count(), 29);
    }

    #[test]
    fn threshold_zero_is_never_and_not_a_number_stays() {
        let all = keep(&PauseSettings::threshold([0.0]), 0, &[0.0, 0.5], &[0.0; 4]);
        assert_eq!(all, [true, true]);
        let kept = keep(&PauseSettings::threshold([0.4]), 0, &[f32::NAN, 0.1, 0.4], &[0.0; 6]);
        assert_eq!(kept, [true, false, true]);
    }

    #[test]
    fn options_keep_more() {
        let mut settings = PauseSettings::threshold([1.0]);
        settings.min_active = 2;
        let kept = keep(&settings, 0, &[0.1, 0.9, 0.2], &[0.0; 6]);
        assert_eq!(kept, [false, true, true]);
        settings.min_active = 0;
        settings.keep_per_class = 1;
        // Tokens 0 and 2 are class 0, token 1 is class 1; the most confident of each stays, and token 3,
        // which is too hard to pause anyway.
        let logits = [1.0, 0.0, 0.0, 1.0, 3.0, 0.0, 0.1, 0.0];
        let kept = keep(&settings, 0, &[0.2, 0.9, 0.1, 1.0], &logits);
        assert_eq!(kept, [false, true, true, true]);
    }

    #[test]
    fn entropy_is_one_for_a_uniform_and_zero_for_a_certain_token() {
        let settings = PauseSettings::never();
        let values = criteria(&settings, &[0.0, 0.0, 0.0, 900.0, 0.0, 0.0], &[0, 1], 2, 0);
        assert!((values[0] - 1.0).abs() < 1e-6);
        assert_eq!(values[1], 0.0);
    }
}
