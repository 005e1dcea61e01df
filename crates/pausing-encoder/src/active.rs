//! Which tokens are active.
//!
//! A *slot* numbers all tokens of a batch: image after image, in each the class token (where there
//! is one) and then the patches in the order of the grid. A *row* is where a token lies in a ragged
//! tensor, which holds the active ones alone.

use burn::tensor::{Device, Int, Tensor, TensorData};

/// Indices as a tensor.
pub(crate) fn indices(rows: impl IntoIterator<Item = u32>, device: &Device) -> Tensor<1, Int> {
    let rows: Vec<i64> = rows.into_iter().map(i64::from).collect();
    let n = rows.len();
    Tensor::from_data(TensorData::new(rows, [n]), device)
}

/// The active tokens of a batch: the grid indices of each image's patches, ascending. Their ragged
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
    pub fn n_slots(&self) -> u32 {
        self.n_tokens() + u32::from(self.class_token)
    }

    /// Number of active patches.
    pub fn n_patches(&self) -> usize {
        self.images.iter().map(Vec::len).sum()
    }

    /// Number of ragged rows of each image.
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

    /// Each ragged row: the image, and the grid index or `None` for a class token.
    fn tokens(&self) -> impl Iterator<Item = (u32, Option<u32>)> + '_ {
        (0_u32..).zip(&self.images).flat_map(|(image, places)| {
            let class_token = (self.class_token && !places.is_empty()).then_some((image, None));
            class_token.into_iter().chain(places.iter().map(move |&place| (image, Some(place))))
        })
    }

    /// The slot of each ragged row.
    pub fn slots(&self) -> Vec<u32> {
        self.tokens()
            .map(|(image, place)| {
                let first = image * self.n_slots();
                place.map_or(first, |place| first + u32::from(self.class_token) + place)
            })
            .collect()
    }

    /// For each ragged row the patch's number among the active patches, `None` for a class token.
    pub fn patch_numbers(&self) -> Vec<Option<u32>> {
        let mut next = 0..;
        self.tokens().map(|(_, place)| place.and_then(|_| next.next())).collect()
    }

    /// From one decision a patch to one decision a ragged row: a class token stays with the last of
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

#[cfg(test)]
mod tests {
    use super::*;

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
