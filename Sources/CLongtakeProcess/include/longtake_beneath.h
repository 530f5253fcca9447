// Opens files below a directory that a hostile program can write.
#ifndef LONGTAKE_BENEATH_H
#define LONGTAKE_BENEATH_H

// Opens a path below a directory, without following any symbolic link, and without leaving the
// directory. The file is opened for reading, does not block, and is closed at exec.
// Parameter uses_openat2: 0 walks through the path even if the kernel has openat2.
// Returns the descriptor, or -1 with errno.
int longtake_open_beneath(int directory, const char *path, int uses_openat2);

#endif
