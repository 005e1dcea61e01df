//! The right side of a product: as it is, or in the order and precision that it was prepacked in.

use std::sync::Arc;

use burn_flex::FlexTensor;

use super::narrow::Narrow;
use super::panels::{Panels, with_panels};
use super::view::View;
use crate::precision::{NarrowPrecision, WeightPrecision};

/// A weight in the order in which the CPU's kernels read it.
#[derive(Debug)]
pub(crate) enum Packed {
    /// In `f32`.
    Floats(Panels),
    /// In fewer bits.
    Narrow(Narrow),
}

impl Packed {
    /// Of a matrix `[k, n]`. One that is too deep for sums of eight bits keeps `f32`.
    pub fn of(matrix: View<'_>, precision: WeightPrecision) -> Self {
        let narrow = match precision {
            WeightPrecision::F32 => None,
            WeightPrecision::Bf16 => Narrow::of(matrix, NarrowPrecision::Bf16),
            WeightPrecision::Int8 => Narrow::of(matrix, NarrowPrecision::Int8),
        };
        narrow.map_or_else(|| Self::Floats(Panels::of(matrix)), Self::Narrow)
    }

    /// `[k, n]`
    pub fn shape(&self) -> [usize; 2] {
        self.right().shape()
    }

    fn right(&self) -> Right<'_> {
        match self {
            Self::Floats(panels) => Right::Floats(panels),
            Self::Narrow(narrow) => Right::Narrow(narrow),
        }
    }
}

/// What a product reads of its right side.
#[derive(Clone, Copy)]
pub(crate) enum Right<'a> {
    /// In `f32`.
    Floats(&'a Panels),
    /// In fewer bits.
    Narrow(&'a Narrow),
}

impl Right<'_> {
    /// `[k, n]`
    pub fn shape(self) -> [usize; 2] {
        match self {
            Self::Floats(panels) => panels.shape(),
            Self::Narrow(narrow) => narrow.shape(),
        }
    }

    pub fn n_panels(self) -> usize {
        match self {
            Self::Floats(panels) => panels.n_panels(),
            Self::Narrow(narrow) => narrow.n_panels(),
        }
    }
}

/// The right side of a product: as it is, or prepacked.
#[derive(Clone)]
pub(crate) enum Matrix {
    /// `[k, n]`
    Plain(FlexTensor),
    /// The same.
    Prepacked(Arc<Packed>),
}

impl Matrix {
    /// `[k, n]`
    pub fn shape(&self) -> [usize; 2] {
        match self {
            Self::Plain(weight) => View::of(weight).shape(),
            Self::Prepacked(packed) => packed.shape(),
        }
    }

    /// Calls `work` with it in the kernels' order.
    pub fn with_right<T>(&self, work: impl FnOnce(Right<'_>) -> T) -> T {
        match self {
            Self::Plain(weight) => with_panels(View::of(weight), |panels| work(Right::Floats(panels))),
            Self::Prepacked(packed) => work(packed.right()),
        }
    }
}
