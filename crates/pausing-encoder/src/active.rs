//! Which tokens are active, and which of their rows attend to which.
//!
//! A *slot* numbers all tokens of a batch: image after image, in each the class token (where there
//! is one) and then the patches in the order of the grid. A *row* is where a token lies in a packed
//! tensor.

use std::sync::Arc;

use burn::tensor::{Device, Int, Tensor, TensorData};
use fastersam_kernels::{Place, RaggedLayout, Segment};

use crate::config::WindowPadding;

/// Indices as a tensor.
pub(crate) fn indices(rows: impl IntoIterator<Item = u32>, device: &Device) -> Tensor<1, Int> {
    let rows: Vec<i64> = rows.into_iter().map(i64::from).collect();
    let n = rows.len();
    Tensor::from_data(TensorData::new(rows, [n]), device)
}

/// The active tokens of a batch: the grid indices of each image's patches, ascending. Their packed
/// rows follow each other in this order, image after image. An image with active patches also has
/// its class token, before them; it never pauses while they are active.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ActiveTokens {
    pub grid: usize,
    pub class_token: bool,
    pub images: Vec<Vec<u32>>,
}

impl ActiveTokens {
    /// Every token of `batch` images.
    pub fn all(batch: usize, grid: usize, class_token: bool) -> Self {
        let places: Vec<u32> = (0..(grid * grid) as u32).collect();
        Self { grid, class_token, images: vec![places; batch] }
    }

    /// Patches of an image.
    pub fn n_tokens(&self) -> u32 {
        (self.grid * self.grid) as u32
    }

    /// Tokens of an image.
    fn n_slots(&self) -> u32 {
        self.n_tokens() + u32::from(self.class_token)
    }

    /// Number of active patches.
    pub fn n_patches(&self) -> usize {
        self.images.iter().map(Vec::len).sum()
    }

    /// Number of packed rows of each image.
    pub fn rows_of_images(&self) -> Vec<usize> {
        let class_tokens = |n: usize| usize::from(self.class_token && n > 0);
        self.images.iter().map(|places| places.len() + class_tokens(places.len())).collect()
    }

    /// Whether every patch is active.
    pub fn is_all(&self) -> bool {
        self.n_patches() == self.images.len() * self.n_tokens() as usize
    }

    /// `image * n_tokens + place` of each active patch.
    pub fn patches(&self) -> Vec<u32> {
        let n = self.n_tokens();
        (0_u32..)
            .zip(&self.images)
            .flat_map(|(image, places)| places.iter().map(move |place| image * n + place))
            .collect()
    }

    /// Each packed row: the image, and the grid index or `None` for a class token.
    fn tokens(&self) -> impl Iterator<Item = (u32, Option<u32>)> + '_ {
        (0_u32..).zip(&self.images).flat_map(|(image, places)| {
            let class_token = (self.class_token && !places.is_empty()).then_some((image, None));
            class_token.into_iter().chain(places.iter().map(move |&place| (image, Some(place))))
        })
    }

    /// The slot of each packed row.
    pub fn slots(&self) -> Vec<u32> {
        self.tokens()
            .map(|(image, place)| {
                let first = image * self.n_slots();
                place.map_or(first, |place| first + u32::from(self.class_token) + place)
            })
            .collect()
    }

    /// For each packed row the patch's number among the active patches, `None` for a class token.
    pub fn patch_numbers(&self) -> Vec<Option<u32>> {
        let mut next = 0..;
        self.tokens().map(|(_, place)| place.and_then(|_| next.next())).collect()
    }

    /// From one decision a patch to one decision a packed row: a class token stays with the last of
    /// its patches.
    pub fn decisions_of_rows(&self, kept: &[bool]) -> Vec<bool> {
        let mut rows = Vec::with_capacity(kept.len() + self.images.len());
        let mut rest = kept;
        for places in &self.images {
            let (image, later) = rest.split_at(places.len().min(rest.len()));
            if self.class_token && !image.is_empty() {
                rows.push(image.contains(&true));
            }
            rows.extend(image);
            rest = later;
        }
        rows
    }

    /// Keeps the patches for which `kept` (one entry an active patch) is true.
    pub fn retain(&mut self, kept: &[bool]) {
        let mut kept = kept.iter();
        for places in &mut self.images {
            places.retain(|_| kept.next().copied().unwrap_or(true));
        }
    }
}

/// Tokens that are paused: their slots and their features at that moment.
#[derive(Clone, Debug)]
pub(crate) struct PausedTokens {
    pub slots: Vec<u32>,
    pub features: Tensor<2>,
}

/// How the packed rows of one block's attention are ordered and cut into segments. Made once for a
/// set of active tokens and used by all blocks of its kind.
#[derive(Clone, Debug)]
pub(crate) struct AttentionPlan {
    pub layout: Arc<RaggedLayout>,
    /// Order of the query rows, where it is not the packed one, and the way back.
    pub queries: Option<(Tensor<1, Int>, Tensor<1, Int>)>,
    /// Key rows out of: packed rows, then frozen rows, then one row of padding; `None` where keys and
    /// queries are the same rows.
    pub keys: Option<Tensor<1, Int>>,
    /// Features of the paused tokens whose keys and values take part.
    pub frozen: Option<Tensor<2>>,
}

/// A row and its place on the grid or in its window.
type PlacedRow = (u32, Place);

/// Where windows are cut, and which slot lies in which.
struct Windows {
    grid: usize,
    side: usize,
    per_axis: usize,
    class_token: bool,
    n_slots: usize,
}

impl Windows {
    fn count(&self) -> usize {
        self.per_axis * self.per_axis
    }

    /// The segment (one a window of an image) of a slot, and its place inside.
    fn locate(&self, slot: u32) -> (usize, Place) {
        let (image, slot) = (slot as usize / self.n_slots, slot as usize % self.n_slots);
        // A class token (slot 0) has no place; there are neither windows nor relative positions then.
        let place = slot.saturating_sub(usize::from(self.class_token));
        let (row, col) = (place / self.grid, place % self.grid);
        let window = (row / self.side) * self.per_axis + col / self.side;
        let inside = Place { row: (row % self.side) as u16, col: (col % self.side) as u16 };
        (image * self.count() + window, inside)
    }

    /// The places of a segment that lie outside the grid: SAM's zero padding.
    fn padding(&self, segment: usize) -> impl Iterator<Item = Place> + '_ {
        let window = segment % self.count();
        let (top, left) = (window / self.per_axis * self.side, window % self.per_axis * self.side);
        let places = (0..self.side).flat_map(|row| (0..self.side).map(move |col| (row, col)));
        places
            .filter(move |(row, col)| top + row >= self.grid || left + col >= self.grid)
            .map(|(row, col)| Place { row: row as u16, col: col as u16 })
    }
}

impl AttentionPlan {
    /// The plan for the active tokens.
    ///
    /// `window` is the side of the windows, `None` for global attention; `paused` are the tokens
    /// whose keys and values take part as well.
    pub fn new(
        active: &ActiveTokens,
        window: Option<usize>,
        padding: WindowPadding,
        paused: Option<&PausedTokens>,
        device: &Device,
    ) -> Self {
        let side = window.unwrap_or(active.grid).max(1);
        let windows = Windows {
            grid: active.grid,
            side,
            per_axis: active.grid.div_ceil(side),
            class_token: active.class_token,
            n_slots: active.n_slots() as usize,
        };
        let n_segments = active.images.len() * windows.count();

        let mut queries: Vec<Vec<PlacedRow>> = vec![Vec::new(); n_segments];
        let mut n_rows = 0;
        for slot in active.slots() {
            let (segment, place) = windows.locate(slot);
            queries[segment].push((n_rows, place));
            n_rows += 1;
        }
        let mut keys = queries.clone();
        // A window without active tokens is skipped, and its frozen and padding keys with it.
        let mut frozen_rows = Vec::new();
        let paused_slots = paused.map_or(&[][..], |paused| &paused.slots);
        for (number, &slot) in (0..).zip(paused_slots) {
            let (segment, place) = windows.locate(slot);
            if !queries[segment].is_empty() {
                keys[segment].push((n_rows + frozen_rows.len() as u32, place));
                frozen_rows.push(number);
            }
        }
        let has_padding = padding == WindowPadding::Sam && !active.grid.is_multiple_of(side);
        if has_padding {
            let padding_row = n_rows + frozen_rows.len() as u32;
            for (segment, keys) in keys.iter_mut().enumerate() {
                if !keys.is_empty() {
                    keys.extend(windows.padding(segment).map(|place| (padding_row, place)));
                }
            }
        }

        let has_other_keys = has_padding || !frozen_rows.is_empty();
        let frozen = paused
            .filter(|_| !frozen_rows.is_empty())
            .map(|paused| paused.features.clone().select(0, indices(frozen_rows, device)));
        Self {
            layout: Arc::new(layout(&queries, &keys)),
            queries: query_order(&queries, device),
            keys: has_other_keys.then(|| indices(keys.iter().flatten().map(|(row, _)| *row), device)),
            frozen,
        }
    }

    /// Rows in the packed order to the order of the segments.
    pub fn in_segments(&self, rows: Tensor<2>) -> Tensor<2> {
        match &self.queries {
            Some((order, _)) => rows.select(0, order.clone()),
            None => rows,
        }
    }

    /// The way back from [`in_segments`](Self::in_segments).
    pub fn in_packed_order(&self, rows: Tensor<2>) -> Tensor<2> {
        match &self.queries {
            Some((_, back)) => rows.select(0, back.clone()),
            None => rows,
        }
    }
}

fn layout(queries: &[Vec<PlacedRow>], keys: &[Vec<PlacedRow>]) -> RaggedLayout {
    let (mut n_queries, mut n_keys) = (0, 0);
    let segments = queries
        .iter()
        .zip(keys)
        .map(|(queries, keys)| {
            let segment =
                Segment { queries: n_queries..n_queries + queries.len(), keys: n_keys..n_keys + keys.len() };
            (n_queries, n_keys) = (segment.queries.end, segment.keys.end);
            segment
        })
        .collect();
    let places = |rows: &[Vec<PlacedRow>]| rows.iter().flatten().map(|(_, place)| *place).collect();
    RaggedLayout { segments, query_places: places(queries), key_places: places(keys) }
}

/// The order of the query rows and the way back, where it is not the packed order anyway.
fn query_order(queries: &[Vec<PlacedRow>], device: &Device) -> Option<(Tensor<1, Int>, Tensor<1, Int>)> {
    let order: Vec<u32> = queries.iter().flatten().map(|(row, _)| *row).collect();
    if order.is_sorted() {
        return None;
    }
    let mut back = vec![0; order.len()];
    for (position, &row) in (0..).zip(&order) {
        back[row as usize] = position;
    }
    Some((indices(order, device), indices(back, device)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(active: &ActiveTokens, window: usize, padding: WindowPadding) -> AttentionPlan {
        AttentionPlan::new(active, Some(window), padding, None, &Device::flex())
    }

    #[test]
    fn windows_keep_their_padding_and_lose_paused_tokens() {
        // A 3 x 3 grid in windows of 2: the windows at the right and the bottom are padded.
        let mut active = ActiveTokens::all(1, 3, false);
        let lengths = |plan: &AttentionPlan| -> Vec<(usize, usize)> {
            plan.layout.segments.iter().map(|s| (s.queries.len(), s.keys.len())).collect()
        };
        assert_eq!(lengths(&plan(&active, 2, WindowPadding::Sam)), [(4, 4), (2, 4), (2, 4), (1, 4)]);
        assert_eq!(lengths(&plan(&active, 2, WindowPadding::Masked)), [(4, 4), (2, 2), (2, 2), (1, 1)]);
        // Only the centre and the upper right corner go on: two windows are skipped altogether.
        active.images[0] = vec![2, 4];
        assert_eq!(lengths(&plan(&active, 2, WindowPadding::Sam)), [(1, 1), (1, 3), (0, 0), (0, 0)]);
    }

    #[test]
    fn a_class_token_goes_with_its_patches() {
        let mut active = ActiveTokens::all(2, 2, true);
        assert_eq!(active.slots(), [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
        let kept = [false, true, false, false, false, false, false, false];
        assert_eq!(
            active.decisions_of_rows(&kept),
            [true, false, true, false, false, false, false, false, false, false]
        );
        active.retain(&kept);
        assert_eq!(active.slots(), [0, 2]);
        assert_eq!(active.patches(), [1]);
        assert_eq!(active.patch_numbers(), [None, Some(0)]);
    }
}
