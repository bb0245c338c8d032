/*
 * Build time only: in the program that counts what the engine executes (Makefile, build/obj/train), every way out writes
 * the counts first, which the C library would only do at a return from main.
 */
void __gcov_dump(void);
_Noreturn void __real__exit(int status);
_Noreturn void __wrap__exit(int status);

void __wrap__exit(int status)
{
	__gcov_dump();
	__real__exit(status);
}
