/*
 * A neighbour that shares a directory with a container being made: exchanges two names as fast as it can, until it is
 * killed or 60 s have passed. usage: racer NAME NAME
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef RENAME_EXCHANGE
#define RENAME_EXCHANGE 2
#endif

int main(int argc, char **argv)
{
	if (argc != 3)
		return 2;
	alarm(60);
	for (int round = 0;; round++) {
		if (syscall(SYS_renameat2, AT_FDCWD, argv[1], AT_FDCWD, argv[2], RENAME_EXCHANGE) < 0) {
			perror("renameat2");
			return 1;
		}
		if (round == 0 && write(1, "racing\n", 7) != 7)
			return 1;
	}
}
