import type { AdapterProfile } from '../../kernel.ts';
import type { Correlation } from '../correlation-spec.ts';
import { TILE } from './filtering.ts';
import { requireFiltering } from './filterings.ts';

/*
 * How a Winograd convolution is cut up.
 *
 * Tiles of 4×4 outputs are numbered across the batch, row by row. A subgroup takes a *block* of
 * 4 · lanes tiles, or of 2 · lanes if there are no more, each lane every `lanes`-th of them. What is kept
 * between the stages is
 *
 *   V [block][k][channels/4][tile of the block][4 channels]       transformed pixels
 *   U [k][row block][channels/4][rows of a lane][4 channels]      transformed weights
 *   M [block][k][rows/4][tile of the block][4 rows]               products
 *
 * Channels and rows are rounded up to fours: U is zero there, V repeats the last channel, M is not used.
 *
 * k counts the elements of a transformed patch, 36 for 3×3 taps, 49 for 4×4; how `halving.ts` makes use of k and of a
 * vec4 is said there. So every lane loads and stores vec4s, and lanes
 * side by side stand side by side in memory. Between one k and the next is a gap of one vec4 a lane:
 * without it the elements of a tile would be a power of two apart and meet in the same set of a cache.
 *
 * Blocks are worked on in chunks, so that V and M of a chunk stay in cache, and below what a binding may hold.
 */

/**
 * Rows (output channels) that a lane may have, and how long one of them takes then, to 16 of them. More rows share a lane's
 * loads of pixels; 64 take 1.2 times as long as 32.
 */
const ROW_CHOICES = [
  { rows: 16, cost: 1 },
  { rows: 24, cost: 0.94 },
  { rows: 32, cost: 0.89 },
];

/** Rows of a lane that make the least of all rows together, those that only fill up the last block included. */
function rowsOfLane(all: number): number {
  const total = ({ rows, cost }: (typeof ROW_CHOICES)[number]): number =>
    Math.ceil(all / rows) * rows * cost;
  return ROW_CHOICES.reduce((a, b) => (total(b) < total(a) ? b : a)).rows;
}

/** Tiles of a lane, and those of a lane where there are few. */
const LANE_TILES = 4;
const FEW_LANE_TILES = 2;

const CHUNK_BYTES = 4 * 2 ** 20;

/** What is cut into tiles. */
export interface TiledSizes {
  readonly batch: number;
  readonly channels: number;
  readonly rows: number;
  readonly outHeight: number;
  readonly outWidth: number;
  /** Numbers of k in M and U, and in V; V's repeat if they are fewer. */
  readonly products: number;
  readonly inputProducts: number;
}

export interface WinogradTiles {
  readonly lanes: number;
  readonly products: number;
  readonly inputProducts: number;
  readonly tilesX: number;
  readonly tilesY: number;
  /** Tiles of all images. */
  readonly tiles: number;
  readonly laneTiles: number;
  readonly blockTiles: number;
  readonly blocks: number;
  readonly blocksPerChunk: number;
  readonly channelQuads: number;
  readonly rowQuads: number;
  readonly rowsPerLane: number;
  readonly rowBlocks: number;
  /** vec4s from one k to the next in V and M. */
  readonly inputPitch: number;
  readonly productPitch: number;
}

/** The tiles of a correlation at stride 1; parameters as of `tilesOf`. */
export function winogradTiles(
  { batch, channels, rows, outHeight, outWidth, tapsX }: Correlation,
  profile: AdapterProfile,
  chunkBytes?: number,
): WinogradTiles {
  const sizes = { batch, channels, rows, outHeight, outWidth };
  const products = requireFiltering(tapsX).patch ** 2;
  return tilesOf({ ...sizes, products, inputProducts: products }, profile, chunkBytes);
}

/**
 * @param profile with subgroups of 4, 8 or 16 lanes
 * @param chunkBytes what V and M of a chunk may take together; default what caches hold
 */
export function tilesOf(
  spec: TiledSizes,
  { subgroupSize }: AdapterProfile,
  chunkBytes = CHUNK_BYTES,
): WinogradTiles {
  const lanes = subgroupSize;
  const tilesX = Math.ceil(spec.outWidth / TILE);
  const tilesY = Math.ceil(spec.outHeight / TILE);
  const tiles = spec.batch * tilesX * tilesY;
  const rowsPerLane = rowsOfLane(spec.rows);
  const laneTiles = tiles > FEW_LANE_TILES * lanes ? LANE_TILES : FEW_LANE_TILES;
  const blockTiles = laneTiles * lanes;
  const blocks = Math.ceil(tiles / blockTiles);
  const channelQuads = Math.ceil(spec.channels / 4);
  const rowQuads = Math.ceil(spec.rows / 4);
  const inputPitch = channelQuads * blockTiles + lanes;
  const productPitch = rowQuads * blockTiles + lanes;
  const { products, inputProducts } = spec;
  const bytesPerBlock = (inputProducts * inputPitch + products * productPitch) * 16;
  const chunks = Math.ceil(blocks / Math.max(1, Math.floor(chunkBytes / bytesPerBlock)));
  return {
    lanes,
    products,
    inputProducts,
    tilesX,
    tilesY,
    tiles,
    laneTiles,
    blockTiles,
    blocks,
    blocksPerChunk: Math.ceil(blocks / chunks),
    channelQuads,
    rowQuads,
    rowsPerLane,
    rowBlocks: Math.ceil(spec.rows / rowsPerLane),
    inputPitch,
    productPitch,
  };
}

/** Blocks that one pass through the stages works on. */
export interface Chunk {
  readonly first: number;
  readonly blocks: number;
}

export function chunksOf({ blocks, blocksPerChunk }: WinogradTiles): Chunk[] {
  const chunks: Chunk[] = [];
  for (let first = 0; first < blocks; first += blocksPerChunk) {
    chunks.push({ first, blocks: Math.min(blocksPerChunk, blocks - first) });
  }
  return chunks;
}

/** Lengths of U, V and M in elements. */
export function winogradLengths(tiles: WinogradTiles): {
  readonly weights: number;
  readonly input: number;
  readonly products: number;
} {
  const { products, inputProducts, rowsPerLane, rowBlocks, channelQuads } = tiles;
  const { blocksPerChunk, inputPitch, productPitch } = tiles;
  return {
    weights: products * rowBlocks * channelQuads * rowsPerLane * 4,
    input: blocksPerChunk * inputProducts * inputPitch * 4,
    products: blocksPerChunk * products * productPitch * 4,
  };
}

/** WGSL that defines `item`, `tileY` and `tileX` of tile `tile`. */
export const TILE_PLACE = `
  let tileX = tile % sizes.tilesX;
  let tileY = (tile / sizes.tilesX) % sizes.tilesY;
  let item = tile / (sizes.tilesX * sizes.tilesY);`;
