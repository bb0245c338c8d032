/* Unix sockets. */
#ifndef TSRUNC_HOST_SOCKETS_H
#define TSRUNC_HOST_SOCKETS_H

/* Connects, also by a path longer than a socket address holds. A listener whose queue stays full is ETIMEDOUT. */
int socket_connect(int socket, const char *path);

#endif
