//! What changes from block to block: active tokens, paused tokens, attention plans.

use burn::tensor::{Device, Tensor};

use crate::active::{ActiveTokens, PausedTokens, indices};
use crate::config::EncoderConfig;
use crate::stage::StageOutput;
use crate::window_partition::AttentionPlan;

/// The state between two blocks.
pub(crate) struct State {
    pub active: ActiveTokens,
    /// Features of the active tokens, ragged; `None` once no token is active.
    pub tokens: Option<Tensor<2>>,
    /// What paused, one entry a pause point.
    paused: Vec<PausedTokens>,
    /// The attention plans of the current active set, made when first needed.
    global: Option<AttentionPlan>,
    windowed: Option<AttentionPlan>,
    pub stages: Vec<StageOutput>,
    /// Active patches of each image after each pause point.
    pub n_active: Vec<Vec<usize>>,
}

impl State {
    /// All tokens are active.
    pub fn new(active: ActiveTokens, tokens: Tensor<2>) -> Self {
        let n_active = vec![Vec::new(); active.images.len()];
        Self {
            active,
            tokens: Some(tokens),
            paused: Vec::new(),
            global: None,
            windowed: None,
            stages: Vec::new(),
            n_active,
        }
    }

    /// The features of the active patches, without class tokens: `[n_patches, d]`.
    pub fn patch_rows(&self, tokens: Tensor<2>) -> Tensor<2> {
        if !self.active.class_token {
            return tokens;
        }
        let device = tokens.device();
        let numbers = self.active.patch_numbers();
        let rows = (0..).zip(&numbers).filter_map(|(row, number)| number.map(|_| row));
        tokens.select(0, indices(rows, &device))
    }

    /// Adds one row a patch to the tokens; class tokens gain nothing.
    pub fn add_to_patches(&self, tokens: Tensor<2>, rows: Tensor<2>) -> Tensor<2> {
        if !self.active.class_token {
            return tokens + rows;
        }
        let device = tokens.device();
        let [n_patches, d] = rows.dims();
        let zero_row = n_patches as u32;
        let order = self.active.patch_numbers().into_iter().map(|number| number.unwrap_or(zero_row));
        let padded = Tensor::cat(vec![rows, Tensor::zeros([1, d], &device)], 0);
        tokens + padded.select(0, indices(order, &device))
    }

    /// Writes down how many patches of each image are active.
    pub fn count(&mut self) {
        for (counts, places) in self.n_active.iter_mut().zip(&self.active.images) {
            counts.push(places.len());
        }
    }

    /// Moves the patches for which `kept` is false from the active tokens to the paused ones.
    pub fn pause(&mut self, tokens: Tensor<2>, kept: &[bool], device: &Device) {
        let rows_kept = self.active.decisions_of_rows(kept);
        let rows = |wanted: bool| {
            let rows = (0_u32..).zip(&rows_kept);
            rows.filter(move |(_, kept)| **kept == wanted).map(|(row, _)| row)
        };
        let slots = self.active.slots();
        let slots = slots.iter().zip(&rows_kept).filter(|(_, kept)| !**kept).map(|(slot, _)| *slot);
        self.paused.push(PausedTokens {
            slots: slots.collect(),
            features: tokens.clone().select(0, indices(rows(false), device)),
        });
        self.tokens = kept.contains(&true).then(|| tokens.select(0, indices(rows(true), device)));
        self.active.retain(kept);
        (self.global, self.windowed) = (None, None);
    }

    /// The attention plan of a block for the current active set.
    pub fn plan(
        &mut self,
        config: &EncoderConfig,
        block: usize,
        sees_paused: bool,
        device: &Device,
    ) -> &AttentionPlan {
        let window = config.window_of(block);
        let paused = (sees_paused && !self.paused.is_empty()).then_some(&self.paused);
        let make = || {
            let paused = paused.map(|pieces| PausedTokens {
                slots: pieces.iter().flat_map(|piece| piece.slots.iter().copied()).collect(),
                features: Tensor::cat(pieces.iter().map(|piece| piece.features.clone()).collect(), 0),
            });
            AttentionPlan::new(&self.active, window, config.window_padding, paused.as_ref(), device)
        };
        let slot = if window.is_some() { &mut self.windowed } else { &mut self.global };
        slot.get_or_insert_with(make)
    }

    /// All tokens at their slots, once.
    pub fn restore(&mut self, device: &Device) -> Option<Tensor<2>> {
        let mut pieces: Vec<Tensor<2>> = self.tokens.take().into_iter().collect();
        if self.paused.is_empty() {
            return pieces.pop();
        }
        let mut slots = self.active.slots();
        for paused in self.paused.drain(..) {
            slots.extend(paused.slots);
            pieces.push(paused.features);
        }
        let mut order = vec![0; slots.len()];
        for (position, slot) in (0..).zip(slots) {
            order[slot as usize] = position;
        }
        Some(Tensor::cat(pieces, 0).select(0, indices(order, device)))
    }
}
