//! SAMUS' cross-branch attention through the blocks: the map that tokens look at, and its refinement.

use std::sync::Arc;

use burn::tensor::Tensor;
use fastersam_adapter::{CrossBranch, CrossBranchBlock, cross_branch_layout};
use fastersam_kernels::RaggedLayout;

use crate::active::ActiveTokens;
use crate::block::CrossView;

/// The CNN branch's map at the width of the tokens, from block to block; nothing where the tuning
/// scheme is another one.
pub(crate) struct CrossState<'a> {
    branch: Option<(&'a CrossBranch, Tensor<2>)>,
    /// The blocks that look at the map.
    blocks: Vec<usize>,
}

impl<'a> CrossState<'a> {
    pub fn new(branch: Option<&'a CrossBranch>, blocks: Vec<usize>, map: Option<&Tensor<2>>) -> Self {
        let branch = branch.zip(map).map(|(branch, map)| (branch, branch.embed(map.clone())));
        Self { branch, blocks }
    }

    fn block(&self, index: usize) -> Option<&'a CrossBranchBlock> {
        let (branch, _) = self.branch.as_ref()?;
        branch.blocks.get(self.blocks.iter().position(|&block| block == index)?)
    }

    /// Which active rows see which part of the map, where block `index` looks at it.
    pub fn layout(&self, index: usize, active: &ActiveTokens) -> Option<Arc<RaggedLayout>> {
        self.block(index)?;
        Some(cross_branch_layout(&active.rows_of_images(), active.n_tokens() as usize))
    }

    pub fn view<'b>(&'b self, index: usize, layout: Option<&'b Arc<RaggedLayout>>) -> Option<CrossView<'b>> {
        let (_, map) = self.branch.as_ref()?;
        Some(CrossView { block: self.block(index)?, map, layout: layout? })
    }

    /// The map for the next block that looks at it, after block `index`.
    pub fn refine(&mut self, index: usize, grid: usize) {
        let Some(block) = self.block(index) else { return };
        if let Some((_, map)) = &mut self.branch {
            *map = block.refine(map.clone(), grid);
        }
    }

    /// What is left of the map joins the tokens at their places.
    pub fn merge(self, tokens: Tensor<2>) -> Tensor<2> {
        match self.branch {
            Some((branch, map)) => branch.merge(tokens, map),
            None => tokens,
        }
    }
}
