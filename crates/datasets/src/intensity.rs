//! How the published pipelines scale intensities.

use fastersam_volume::Intensity;

/// Synapse: [-125, 275] HU becomes [0, 1].
pub const SYNAPSE: Intensity = Intensity::Window { low: -125.0, high: 275.0 };

/// ACDC: the top 1 % of each volume is clipped, then minimum and maximum become 0 and 1.
pub const ACDC: Intensity = Intensity::ClipTop { percentile: 99.0 };
