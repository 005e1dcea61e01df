//! The tokens of a batch in rows, equally many for each image.

use burn::tensor::{Bool, Device, Int, Tensor, TensorData};

use super::lengths::padded_length;

/// Which tokens are active, where they lie, and the features of those that paused.
///
/// A *slot* numbers the tokens of an image: the class token, where there is one, then the patches in the order of the grid.
/// Active tokens lie in the order of their slots; rows behind the last of an image are padding, whatever they hold.
pub(super) struct Rows {
    batch: usize,
    /// Slots of an image.
    n_slots: usize,
    /// 1 where there is a class token.
    n_class_tokens: usize,
    /// Active patches of each image.
    counts: Vec<usize>,
    /// `[b * n_rows, d]`, or anything where no token is active.
    tokens: Tensor<2>,
    /// Once tokens have paused.
    paused: Option<Paused>,
}

/// What there is once tokens have paused.
struct Paused {
    /// Features of all slots, `[b * n_slots, d]`: right for those that have paused.
    frozen: Tensor<2>,
    /// The rows of those that have not; none where no token is active.
    active: Option<Active>,
}

/// Where active tokens lie, once others have paused.
struct Active {
    /// Rows of an image.
    n_rows: usize,
    /// The slot of each row, `[b, n_rows]`.
    slots: Tensor<2, Int>,
    /// Whether each row is a token and no padding, `[b, n_rows]`; `None` where all are tokens.
    is_token: Option<Tensor<2, Bool>>,
    /// The row, of all rows of the batch, that holds each slot, `[b * n_slots]`; any row where none does.
    row_of_slot: Tensor<1, Int>,
    /// Whether a row holds each slot, `[b * n_slots, 1]`.
    is_active: Tensor<2, Bool>,
}

/// `0..n`
fn count_to(n: usize, device: &Device) -> Tensor<1, Int> {
    Tensor::arange(0..n as i64, device)
}

/// One whole number an image, `[b, 1]`.
fn one_an_image(values: impl IntoIterator<Item = usize>, device: &Device) -> Tensor<2, Int> {
    let values: Vec<i64> = values.into_iter().map(|value| value as i64).collect();
    let n = values.len();
    Tensor::from_data(TensorData::new(values, [n, 1]), device)
}

/// For each number below `n`, where in `values` (`[b, m]`, those where `counts` is true) it stands, `[b, n]`, and whether it
/// does. A number that does not gets 0.
fn find(values: Tensor<2, Int>, counts: Tensor<2, Bool>, n: usize) -> (Tensor<2, Int>, Tensor<2, Bool>) {
    let [b, m] = values.dims();
    let device = values.device();
    let wanted = count_to(n, &device).reshape([1, n, 1]).expand([b, n, m]);
    let hits = values.reshape([b, 1, m]).expand([b, n, m]).equal(wanted);
    let hits = hits.bool_and(counts.reshape([b, 1, m]).expand([b, n, m])).int();
    let places = (hits.clone() * count_to(m, &device).reshape([1, 1, m])).sum_dim(2).reshape([b, n]);
    (places, hits.sum_dim(2).reshape([b, n]).greater_elem(0))
}

/// Numbers within an image, `[b, n]`, as numbers within a batch whose images have `length` each.
fn of_batch(numbers: Tensor<2, Int>, length: usize) -> Tensor<1, Int> {
    let [b, n] = numbers.dims();
    let device = numbers.device();
    (numbers + one_an_image((0..b).map(|image| image * length), &device)).reshape([b * n])
}

impl Rows {
    /// All tokens, active: `[b * n_slots, d]`.
    pub fn all(tokens: Tensor<2>, batch: usize, class_token: bool) -> Self {
        let n_slots = tokens.dims()[0] / batch.max(1);
        let n_class_tokens = usize::from(class_token);
        let counts = vec![n_slots - n_class_tokens; batch];
        Self { batch, n_slots, n_class_tokens, counts, tokens, paused: None }
    }

    /// Features, `[b * n_rows, d]`; none once no token is active.
    pub fn tokens(&self) -> Option<Tensor<2>> {
        (self.n_rows() > 0).then(|| self.tokens.clone())
    }

    /// Other features in the same rows.
    pub fn set_tokens(&mut self, tokens: Tensor<2>) {
        self.tokens = tokens;
    }

    /// Active patches of each image.
    pub fn counts(&self) -> &[usize] {
        &self.counts
    }

    /// Images.
    pub fn batch(&self) -> usize {
        self.batch
    }

    /// Slots of an image.
    pub fn n_slots(&self) -> usize {
        self.n_slots
    }

    /// Rows of an image; 0 once no token is active.
    pub fn n_rows(&self) -> usize {
        match &self.paused {
            Some(paused) => paused.active.as_ref().map_or(0, |active| active.n_rows),
            None => self.n_slots,
        }
    }

    fn active(&self) -> Option<&Active> {
        self.paused.as_ref()?.active.as_ref()
    }

    /// The slot of each row, `[b, n_rows]`; none where each row is its own.
    pub fn slots(&self) -> Option<Tensor<2, Int>> {
        Some(self.active()?.slots.clone())
    }

    /// Whether each row is a token, `[b, n_rows]`; none where all are.
    pub fn are_tokens(&self) -> Option<Tensor<2, Bool>> {
        self.active()?.is_token.clone()
    }

    /// Whether each slot is active, `[b, n_slots]`; none where all are.
    pub fn are_active(&self) -> Option<Tensor<2, Bool>> {
        Some(self.active()?.is_active.clone().reshape([self.batch, self.n_slots]))
    }

    /// Features of the patches' rows, `[b * n_patch_rows, d]`; none once no token is active.
    pub fn patches(&self) -> Option<Tensor<2>> {
        let tokens = self.tokens()?;
        let ([_, d], b, n, first) = (tokens.dims(), self.batch, self.n_rows(), self.n_class_tokens);
        if first == 0 {
            return Some(tokens);
        }
        Some(tokens.reshape([b, n, d]).slice([0..b, first..n, 0..d]).reshape([b * (n - first), d]))
    }

    /// The place on the grid of each patch's row, `[b, n_patch_rows]`.
    pub fn places(&self) -> Tensor<2, Int> {
        let (b, n, first) = (self.batch, self.n_rows(), self.n_class_tokens);
        match self.slots() {
            // Padding may show the class token's slot.
            Some(slots) => slots.slice([0..b, first..n]).sub_scalar(first as i64).clamp_min(0),
            None => count_to(n - first, &self.tokens.device()).reshape([1, n - first]).expand([b, n - first]),
        }
    }

    /// Whether each patch's row is a token, `[b, n_patch_rows]`; none where all are.
    pub fn patches_are_tokens(&self) -> Option<Tensor<2, Bool>> {
        let (b, first, n) = (self.batch, self.n_class_tokens, self.n_rows());
        Some(self.are_tokens()?.slice([0..b, first..n]))
    }

    /// What lies at the patches' rows, out of what lies at each place of the grid: `[b * n_places, c]` to
    /// `[b * n_patch_rows, c]`.
    pub fn of_patches(&self, grid: Tensor<2>) -> Tensor<2> {
        if self.active().is_none() {
            return grid;
        }
        grid.select(0, of_batch(self.places(), self.n_slots - self.n_class_tokens))
    }

    /// Adds one row a patch; class tokens gain nothing.
    pub fn add_to_patches(&mut self, rows: Tensor<2>) {
        let ([_, d], b, n, first) = (rows.dims(), self.batch, self.n_rows(), self.n_class_tokens);
        let rows = if first == 0 {
            rows
        } else {
            let nothing = Tensor::zeros([b, first, d], &rows.device());
            Tensor::cat(vec![nothing, rows.reshape([b, n - first, d])], 1).reshape([b * n, d])
        };
        self.tokens = self.tokens.clone() + rows;
    }

    /// What lies at each slot, out of what lies at the rows: `[b * n_rows, c]` to `[b * n_slots, c]`; anything where a slot is
    /// not active.
    pub fn at_slots(&self, rows: Tensor<2>) -> Tensor<2> {
        match self.active() {
            Some(active) => rows.select(0, active.row_of_slot.clone()),
            None => rows,
        }
    }

    /// What lies at the rows, out of what lies at each slot: the way back.
    pub fn at_rows(&self, slots: Tensor<2>) -> Tensor<2> {
        match self.active() {
            Some(active) => slots.select(0, of_batch(active.slots.clone(), self.n_slots)),
            None => slots,
        }
    }

    /// Features of all slots, active or paused: `[b * n_slots, d]`.
    pub fn restored(&self) -> Tensor<2> {
        let Some(Paused { frozen, active }) = &self.paused else { return self.tokens.clone() };
        let Some(active) = active else { return frozen.clone() };
        let fresh = self.at_slots(self.tokens.clone());
        let is_active = active.is_active.clone().expand(fresh.dims());
        frozen.clone().mask_where(is_active, fresh)
    }

    /// Keeps the patches for which `kept` (`[b, n_patch_rows]`, false for padding) is true, `counts` in each image.
    pub fn keep(&mut self, kept: Tensor<2, Bool>, counts: Vec<usize>) {
        if counts == self.counts {
            return;
        }
        let (b, first, device) = (self.batch, self.n_class_tokens, self.tokens.device());
        let frozen = self.restored();
        let most = counts.iter().copied().max().unwrap_or(0);
        // A class token stays with the last of its patches.
        let totals: Vec<usize> = counts.iter().map(|&count| if count == 0 { 0 } else { count + first }).collect();
        self.counts = counts;
        if most == 0 {
            self.paused = Some(Paused { frozen, active: None });
            return;
        }
        let kept = if first == 0 {
            kept
        } else {
            let stays = one_an_image(totals.iter().map(|&total| total.min(1)), &device).greater_elem(0);
            Tensor::cat(vec![stays, kept], 1)
        };
        let n_rows = first + padded_length(most, self.n_slots - first);
        let (row, _) = find(kept.clone().int().cumsum(1).sub_scalar(1), kept, n_rows);
        let slots = match self.slots() {
            Some(slots) => slots.gather(1, row.clone()),
            None => row.clone(),
        };
        self.tokens = self.tokens.clone().select(0, of_batch(row, self.n_rows()));
        let total = one_an_image(totals.iter().copied(), &device).expand([b, n_rows]);
        let is_token = count_to(n_rows, &device).reshape([1, n_rows]).expand([b, n_rows]).lower(total);
        let (row_of_slot, is_active) = find(slots.clone(), is_token.clone(), self.n_slots);
        let has_padding = totals.iter().any(|&total| total < n_rows);
        let active = Active {
            n_rows,
            slots,
            is_token: has_padding.then_some(is_token),
            row_of_slot: of_batch(row_of_slot, n_rows),
            is_active: is_active.reshape([b * self.n_slots, 1]),
        };
        self.paused = Some(Paused { frozen, active: Some(active) });
    }
}
