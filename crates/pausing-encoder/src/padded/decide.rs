//! Which tokens stay active, decided on the device: what `fastersam_pause` decides on the host.

use burn::tensor::activation::{log_softmax, softmax};
use burn::tensor::{Bool, DType, Int, Tensor, TensorData};
use fastersam_pause::{self as host, Criterion, PausePolicy, PauseSettings};

/// The patches' rows at a pause point.
pub(super) struct Scored<'a> {
    /// The place on the grid of each row, `[b, n]`.
    pub places: &'a Tensor<2, Int>,
    /// Whether each row is a token, `[b, n]`; none where all are.
    pub is_token: Option<&'a Tensor<2, Bool>>,
    /// Tokens of each image.
    pub counts: &'a [usize],
}

/// What stays active.
pub(super) struct Kept {
    /// `[b, n]`, false for padding.
    pub mask: Tensor<2, Bool>,
    /// Tokens of each image that stay.
    pub counts: Vec<usize>,
    /// Whether the host waited for the counts.
    pub was_read_back: bool,
}

/// How hard each row's token is, in f32, `[b, n]`; see [`host::criteria`].
///
/// # Shapes
/// - logits: `[b * n, n_classes]`
pub(super) fn criterion(
    settings: &PauseSettings,
    logits: Tensor<2>,
    scored: &Scored<'_>,
    n_tokens: usize,
    point: usize,
) -> Tensor<2> {
    let ([b, n], [_, n_classes]) = (scored.places.dims(), logits.dims());
    let logits = logits.cast(DType::F32);
    let values = match settings.criterion {
        Criterion::Entropy => {
            let surprise = log_softmax(logits.clone(), 1);
            (softmax(logits, 1) * surprise).sum_dim(1).mul_scalar(-1.0 / (n_classes as f64).ln())
        }
        Criterion::MaxProbability => softmax(logits, 1).max_dim(1).neg().add_scalar(1.0),
        Criterion::Margin => {
            let probabilities = softmax(logits, 1);
            let (largest, class) = probabilities.clone().max_dim_with_indices(1);
            let classes = Tensor::<1, Int>::arange(0..n_classes as i64, &class.device());
            let is_largest = classes.reshape([1, n_classes]).expand([b * n, n_classes]);
            let is_largest = is_largest.equal(class.expand([b * n, n_classes]));
            let second = probabilities.mask_fill(is_largest, 0.0).max_dim(1);
            (largest - second).neg().add_scalar(1.0)
        }
        Criterion::Random { .. } | Criterion::Oracle => {
            // They need no logits: a table of all tokens.
            let rows: Vec<u32> = (0..(b * n_tokens) as u32).collect();
            let table = host::criteria(settings, &vec![0.0; rows.len()], &rows, n_tokens, point);
            let table = TensorData::new(table, [b, n_tokens]);
            return Tensor::<2>::from_data(table, (&logits.device(), DType::F32)).gather(1, scored.places.clone());
        }
    };
    values.reshape([b, n])
}

/// Which tokens stay active at the pause point with index `point`; see [`host::keep`].
pub(super) fn keep(settings: &PauseSettings, point: usize, criterion: Tensor<2>, scored: &Scored<'_>) -> Kept {
    let [b, n] = criterion.dims();
    let only_tokens = |mask: Tensor<2, Bool>| match scored.is_token {
        Some(is_token) => mask.bool_and(is_token.clone()),
        None => mask,
    };
    let Some(value) = settings.value_at(point).filter(|_| settings.can_pause_at(point)) else {
        let all = criterion.zeros_like().equal_elem(0.0);
        return Kept { mask: only_tokens(all), counts: scored.counts.to_vec(), was_read_back: false };
    };
    // The so many hardest of each image.
    let hardest = |counts: &[usize], criterion: Tensor<2>| {
        let device = criterion.device();
        let counts: Vec<i64> = counts.iter().map(|&count| count as i64).collect();
        let counts = Tensor::<2, Int>::from_data(TensorData::new(counts, [b, 1]), &device).expand([b, n]);
        rank(criterion, scored.is_token).lower(counts)
    };
    if let PausePolicy::KeepRatio(_) = settings.policy {
        let wanted = |&count: &usize| {
            let wanted = (value * count as f64).ceil() as usize;
            wanted.max(settings.min_active).min(count)
        };
        let counts: Vec<usize> = scored.counts.iter().map(wanted).collect();
        return Kept { mask: only_tokens(hardest(&counts, criterion)), counts, was_read_back: false };
    }
    // A criterion that is not a number is as hard as can be: it must not pause.
    let mut mask = criterion.clone().lower_elem(value as f32).bool_not();
    if settings.min_active > 0 {
        mask = mask.bool_or(hardest(&vec![settings.min_active; b], criterion));
    }
    let mask = only_tokens(mask);
    let counts = mask.clone().int().sum_dim(1).into_data();
    let counts = counts.iter::<i64>().map(|count| usize::try_from(count).unwrap_or(0)).collect();
    Kept { mask, counts, was_read_back: true }
}

/// How many tokens of its image are harder than each, `[b, n]`; equals stand in the order of the grid, and what is not a
/// number is harder than all.
fn rank(criterion: Tensor<2>, is_token: Option<&Tensor<2, Bool>>) -> Tensor<2, Int> {
    let [b, n] = criterion.dims();
    let criterion = criterion.clone().mask_fill(criterion.is_nan(), f32::MAX);
    let criterion = match is_token {
        Some(is_token) => criterion.mask_fill(is_token.clone().bool_not(), f32::MIN),
        None => criterion,
    };
    let device = criterion.device();
    let this = criterion.clone().reshape([b, n, 1]).expand([b, n, n]);
    let other = criterion.reshape([b, 1, n]).expand([b, n, n]);
    let order = Tensor::<1, Int>::arange(0..n as i64, &device);
    let comes_first =
        order.clone().reshape([1, 1, n]).expand([b, n, n]).lower(order.reshape([1, n, 1]).expand([b, n, n]));
    let is_harder = other.clone().greater(this.clone());
    let is_equal = other.equal(this).bool_and(comes_first);
    is_harder.bool_or(is_equal).int().sum_dim(2).reshape([b, n])
}
