/** Any image file that the page takes, told apart by content. */
import { decodeImage, type GrayImage } from 'sonolift';
import { decodeDicom, isDicom } from './dicom.ts';

/** @throws DataError naming the file if it is none of PNG, JPEG and DICOM, damaged or too large */
export async function readImageFile(file: Blob, name: string): Promise<GrayImage> {
  const bytes = new Uint8Array(await file.arrayBuffer());
  return isDicom(bytes) ? decodeDicom(bytes, name) : decodeImage(bytes, name);
}
