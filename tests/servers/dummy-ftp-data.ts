/**
 * Owns what the dummy FTP server has to give, copied from CPython 3.11's test_ftplib: the data of RETR, LIST, NLST and
 * MLSD. Knows nothing else.
 */

export const RETR_DATA = "abcde\xB9\xB2\xB3\xA4\xA6\r\n".repeat(1000);
export const LIST_DATA = "foo\r\nbar\r\n non-ascii char \xAE\r\n";
export const NLST_DATA = "foo\r\nbar\r\n non-ascii char \xAE\r\n";
export const MLSD_DATA = [
  "type=cdir;perm=el;unique==keVO1+ZF4; test",
  "type=pdir;perm=e;unique==keVO1+d?3; ..",
  "type=OS.unix=slink:/foobar;perm=;unique==keVO1+4G4; foobar",
  "type=OS.unix=chr-13/29;perm=;unique==keVO1+5G4; device",
  "type=OS.unix=blk-11/108;perm=;unique==keVO1+6G4; block",
  "type=file;perm=awr;unique==keVO1+8G4; writable",
  "type=dir;perm=cpmel;unique==keVO1+7G4; promiscuous",
  "type=dir;perm=;unique==keVO1+1t2; no-exec",
  "type=file;perm=r;unique==keVO1+EG4; two words",
  "type=file;perm=r;unique==keVO1+IH4;  leading space",
  "type=file;perm=r;unique==keVO1+1G4; file1",
  "type=dir;perm=cpmel;unique==keVO1+7G4; incoming",
  "type=file;perm=r;unique==keVO1+1G4; file2",
  "type=file;perm=r;unique==keVO1+1G4; file3",
  "type=file;perm=r;unique==keVO1+1G4; file4",
  "type=dir;perm=cpmel;unique==SGP1; dir \xAE non-ascii char",
  "type=file;perm=r;unique==SGP2; file \xAE non-ascii char",
]
  .map((line) => `${line}\r\n`)
  .join("");
