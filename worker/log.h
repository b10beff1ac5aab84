/* log.h - one line, one fact, into the log file of a worker or shepherd (fd 2) */
#ifndef TD_WORKER_LOG_H
#define TD_WORKER_LOG_H

/* level: "error" a human must act; "warn" degraded; "info" edges. Keeps errno. */
void td_log(const char *level, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Warnings and errors are said to a person too: on this descriptor, without time and level. Never waits for it. */
void td_log_also_to(int fd, const char *program);
/* One line for that person alone, if there is one. */
void td_log_tell(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

#endif
