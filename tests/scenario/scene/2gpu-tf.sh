#!/bin/sh

#SBATCH -J  2GPU-tf                       # name of the job
#SBATCH -o  out.test-tensorflow-2GPU.%j   # %j becomes the job's id
#SBATCH -p  gpu                           # partition
#SBATCH -t  01:30:00                      # at most an hour and a half

#SBATCH --gres=gpu:2                      # two GPUs of one node

echo "devices $CUDA_VISIBLE_DEVICES on $SLURMD_NODENAME"
read -r _ < "go.$SLURM_JOB_ID"            # stands for the training: ends when it is told to
