/* SPDX-License-Identifier: MIT */
/* A function made, verified, printed and compiled by LLVM: a program that uses much of its libraries. */
#include <llvm-c/Analysis.h>
#include <llvm-c/Core.h>
#include <llvm-c/Target.h>
#include <llvm-c/TargetMachine.h>
#include <stdio.h>

int main(void)
{
	LLVMContextRef c = LLVMContextCreate();
	LLVMModuleRef m = LLVMModuleCreateWithNameInContext("m", c);
	LLVMTypeRef i32 = LLVMInt32TypeInContext(c), args[] = { i32, i32 };
	LLVMValueRef f = LLVMAddFunction(m, "sum", LLVMFunctionType(i32, args, 2, 0));
	LLVMBuilderRef b = LLVMCreateBuilderInContext(c);
	LLVMTargetMachineRef machine;
	LLVMMemoryBufferRef out;
	LLVMTargetRef target;
	char *error = NULL;

	LLVMPositionBuilderAtEnd(b, LLVMAppendBasicBlockInContext(c, f, "entry"));
	LLVMBuildRet(b, LLVMBuildAdd(b, LLVMGetParam(f, 0), LLVMGetParam(f, 1), "t"));
	printf("verify %d\n%s", LLVMVerifyModule(m, LLVMReturnStatusAction, &error), LLVMPrintModuleToString(m));
	LLVMInitializeX86TargetInfo();
	LLVMInitializeX86Target();
	LLVMInitializeX86TargetMC();
	LLVMInitializeX86AsmPrinter();
	if (LLVMGetTargetFromTriple("x86_64-linux-gnu", &target, &error)) {
		printf("%s\n", error);
		return 1;
	}
	machine = LLVMCreateTargetMachine(target, "x86_64-linux-gnu", "x86-64", "", LLVMCodeGenLevelDefault,
	                                  LLVMRelocPIC, LLVMCodeModelDefault);
	if (LLVMTargetMachineEmitToMemoryBuffer(machine, m, LLVMAssemblyFile, &error, &out)) {
		printf("%s\n", error);
		return 1;
	}
	printf("%s", LLVMGetBufferStart(out));
	return 0;
}
